import { useVirtualizer } from '@tanstack/react-virtual';
import { VisuallyHidden } from '@mantine/core';
import { memo, useEffect, useMemo, useRef } from 'react';
import { pieces } from './ansi';
import type { Line, OutputBuffer } from './buffer';
import classes from './pane.module.css';

interface LinesProps {
  buffer: OutputBuffer;
  version: number;
  follow: boolean;
  unfollow: () => void;
  found: number[];
  current: number;
  oneNode: boolean;
}

/** Lines of output, only those in sight drawn. */
export function Lines({ buffer, version, follow, unfollow, found, current, oneNode }: LinesProps) {
  const scroll = useRef<HTMLDivElement>(null);
  const matches = useMemo(() => new Set(found), [found]);
  const virtual = useVirtualizer({
    count: buffer.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => 20,
    getItemKey: (index) => buffer.at(index)?.n ?? index,
    overscan: 12,
  });
  useEffect(() => {
    if (follow && buffer.length > 0) virtual.scrollToIndex(buffer.length - 1, { align: 'end' });
  }, [follow, version, buffer, virtual]);
  useEffect(() => {
    if (current >= 0) virtual.scrollToIndex(current, { align: 'center' });
  }, [current, virtual]);
  return (
    <div
      ref={scroll}
      className={classes.pane}
      tabIndex={0}
      role="region"
      aria-label="Output"
      // Whoever turns back means to read.
      onWheel={(event) => event.deltaY < 0 && follow && unfollow()}
      onTouchMove={() => follow && unfollow()}
      onKeyDown={(event) => ['ArrowUp', 'PageUp', 'Home'].includes(event.key) && follow && unfollow()}
    >
      <div className={classes.inner} style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((row) => {
          const line = buffer.at(row.index);
          if (line === undefined) return null;
          return (
            <div
              key={row.key}
              ref={virtual.measureElement}
              data-index={row.index}
              className={classes.line}
              style={{ transform: `translateY(${row.start}px)` }}
              data-stream={line.stream}
              data-found={matches.has(row.index) || undefined}
              data-current={row.index === current || undefined}
            >
              {!oneNode && (
                <span className={classes.node} title={line.node}>
                  {line.node}
                </span>
              )}
              {line.stream === 'stderr' && <VisuallyHidden>stderr </VisuallyHidden>}
              <LineText text={line.text} colours={line.colours} />
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** A line's text in its colours: spans of text, whatever it holds. */
const LineText = memo(function LineText({ text, colours }: Pick<Line, 'text' | 'colours'>) {
  return (
    <span className={classes.text}>
      {pieces(colours + text).map((piece, n) => (
        <span key={n} style={piece.style}>
          {piece.text}
        </span>
      ))}
    </span>
  );
});
