import { useElementSize, useMergedRef } from '@mantine/hooks';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, memo, useId, useRef, useState } from 'react';
import { LOOK } from '~/components/phase';
import classes from './grid.module.css';
import { moved, type NodeStore } from './store';

/** A cell with its margins. */
const CELL = 24;
/** The frame's own edges. */
const EDGE = 10;

/** Every node as a small cell, however many there are: only those in sight are drawn. Arrow keys move, Enter opens. */
export function NodeGrid({
  store,
  places,
  version,
  open,
}: {
  store: NodeStore;
  places: Uint32Array;
  version: number;
  open: (place: number) => void;
}) {
  const scroll = useRef<HTMLDivElement>(null);
  const { ref, width } = useElementSize<HTMLDivElement>();
  const merged = useMergedRef(scroll, ref);
  const [active, setActive] = useState(0);
  const [focused, setFocused] = useState(false);
  const id = useId();
  const columns = Math.max(1, Math.floor((width || 320) / CELL));
  const rows = Math.ceil(places.length / columns);
  const virtual = useVirtualizer({ count: rows, getScrollElement: () => scroll.current, estimateSize: () => CELL, overscan: 6 });
  const at = Math.min(active, places.length - 1);

  const pressed = (event: KeyboardEvent) => {
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      const place = places[at];
      if (place !== undefined) open(place);
      return;
    }
    const to = moved(at, event.key, columns, places.length);
    if (to === at) return;
    event.preventDefault();
    setActive(to);
    virtual.scrollToIndex(Math.floor(to / columns));
  };
  return (
    <div
      ref={merged}
      className={classes.frame}
      style={{ height: Math.min(rows * CELL + EDGE, 560) }}
      role="listbox"
      tabIndex={0}
      aria-label={`Nodes by phase, ${places.length} of them`}
      aria-activedescendant={focused && places.length > 0 ? `${id}-${at}` : undefined}
      onKeyDown={pressed}
      onFocus={() => setFocused(true)}
      onBlur={() => setFocused(false)}
      onClick={(event) => {
        const cell = (event.target as HTMLElement).closest<HTMLElement>('[data-place]');
        if (cell === null) return;
        setActive(Number(cell.dataset['n']));
        open(Number(cell.dataset['place']));
      }}
    >
      <div className={classes.inner} style={{ height: virtual.getTotalSize() }} role="presentation">
        {virtual.getVirtualItems().map((row) => (
          <Row
            key={row.key}
            id={id}
            store={store}
            places={places}
            version={version}
            from={row.index * columns}
            to={Math.min(places.length, (row.index + 1) * columns)}
            top={row.start}
            active={focused && at >= row.index * columns && at < (row.index + 1) * columns ? at : -1}
          />
        ))}
      </div>
    </div>
  );
}

interface RowProps {
  id: string;
  store: NodeStore;
  places: Uint32Array;
  /** Only to have the row drawn anew when something changed. */
  version: number;
  from: number;
  to: number;
  top: number;
  active: number;
}

const Row = memo(function Row({ id, store, places, from, to, top, active }: RowProps) {
  return (
    <div className={classes.row} style={{ transform: `translateY(${top}px)` }} role="presentation">
      {Array.from({ length: to - from }, (_, k) => {
        const n = from + k;
        const place = places[n] ?? 0;
        const phase = store.phase(place);
        const words = `${store.name(place)}: ${LOOK[phase]?.label ?? phase}`;
        return (
          <div
            key={n}
            id={`${id}-${n}`}
            role="option"
            aria-selected={n === active}
            aria-setsize={places.length}
            aria-posinset={n + 1}
            aria-label={words}
            title={words}
            className={classes.cell}
            data-phase={phase}
            data-place={place}
            data-n={n}
            data-active={n === active || undefined}
          />
        );
      })}
    </div>
  );
});
