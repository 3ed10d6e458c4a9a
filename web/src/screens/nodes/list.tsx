import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { useLayoutEffect, useRef, useState } from 'react';
import type { Node } from './judging';
import classes from './nodes.module.css';
import { Row } from './row';

/** Any number of nodes: only those in sight are drawn. */
export function NodeList({ nodes, pick }: { nodes: Node[]; pick: (condition: string) => void }) {
  const list = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  useLayoutEffect(() => setTop(list.current?.offsetTop ?? 0), []);
  const rows = useWindowVirtualizer({
    count: nodes.length,
    estimateSize: () => 56,
    overscan: 12,
    scrollMargin: top,
    getItemKey: (index) => nodes[index]?.id ?? index,
  });
  return (
    <div ref={list} role="list" aria-label="Nodes" className={classes.list} style={{ height: rows.getTotalSize() }}>
      {rows.getVirtualItems().map((item) => {
        const node = nodes[item.index];
        if (node === undefined) return null;
        return (
          <div
            key={item.key}
            ref={rows.measureElement}
            role="listitem"
            aria-setsize={nodes.length}
            aria-posinset={item.index + 1}
            data-index={item.index}
            className={classes.item}
            style={{ transform: `translateY(${item.start - top}px)` }}
          >
            <Row node={node} pick={pick} />
          </div>
        );
      })}
    </div>
  );
}
