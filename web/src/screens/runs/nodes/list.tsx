import { Text } from '@mantine/core';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useRef } from 'react';
import { Phase } from '~/components/phase';
import classes from './grid.module.css';
import type { NodeStore } from './store';

const ROW = 44;

/** The nodes by name, only those in sight drawn. */
export function NodeList({ store, places, open }: { store: NodeStore; places: Uint32Array; open: (place: number) => void }) {
  const scroll = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: places.length, getScrollElement: () => scroll.current, estimateSize: () => ROW, overscan: 8 });
  return (
    <div ref={scroll} className={classes.frame} style={{ height: Math.min(places.length * ROW + 10, 560) }} tabIndex={-1}>
      <div className={classes.inner} style={{ height: virtual.getTotalSize() }} role="list" aria-label="Nodes">
        {virtual.getVirtualItems().map((row) => {
          const place = places[row.index] ?? 0;
          const exit = store.exitCode(place);
          return (
            <div key={row.key} role="listitem" aria-setsize={places.length} aria-posinset={row.index + 1}>
              <button
                type="button"
                className={classes.item}
                style={{ transform: `translateY(${row.start}px)` }}
                onClick={() => open(place)}
              >
                <span className={classes.grow}>{store.name(place)}</span>
                {exit !== undefined && exit !== 0 && (
                  <Text span size="xs" c="dimmed">
                    exit code {exit}
                  </Text>
                )}
                <Phase phase={store.phase(place)} />
              </button>
            </div>
          );
        })}
      </div>
    </div>
  );
}
