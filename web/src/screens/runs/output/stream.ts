import { useEffect, useState, useSyncExternalStore } from 'react';
import type { Schemas } from '~/api/client';
import { href } from '~/lib/base';
import { OutputBuffer } from './buffer';

/** So many lines are kept of one run. */
export const KEPT = 20_000;
/** At most one drawing in so many milliseconds. */
const PACE = 200;

export type StreamState = 'connecting' | 'live' | 'lost' | 'ended';

/** A run's output as it comes: the lines so far, drawn anew a few times a second at most. */
class OutputStream {
  readonly buffer = new OutputBuffer(KEPT);
  state: StreamState = 'connecting';
  private source: EventSource | undefined;
  private after: string | undefined;
  private retry: number | undefined;
  private delay = 1000;
  private timer: number | undefined;
  private version = 0;
  private readonly watchers = new Set<() => void>();

  constructor(
    private readonly run: string,
    private readonly node: string | undefined,
  ) {}

  open(): void {
    const query = new URLSearchParams({ follow: 'true' });
    if (this.node !== undefined) query.set('node', this.node);
    if (this.after !== undefined) query.set('after', this.after);
    const source = new EventSource(href(`api/v1/runs/${encodeURIComponent(this.run)}/output?${query}`));
    this.source = source;
    source.onopen = () => {
      this.delay = 1000;
      this.become('live');
    };
    source.addEventListener('output', (message: MessageEvent<string>) => {
      this.after = message.lastEventId;
      this.buffer.add(JSON.parse(message.data) as Schemas['OutputChunk']);
      this.changed();
    });
    source.addEventListener('end', () => {
      // Else the browser would begin again.
      source.close();
      this.become('ended');
    });
    source.onerror = () => {
      if (this.state === 'ended') return;
      this.become('lost');
      if (source.readyState !== EventSource.CLOSED) return;
      this.retry = window.setTimeout(() => this.open(), this.delay);
      this.delay = Math.min(this.delay * 2, 15_000);
    };
  }

  close(): void {
    this.source?.close();
    window.clearTimeout(this.retry);
    window.clearTimeout(this.timer);
  }

  private become(state: StreamState): void {
    this.state = state;
    this.changed();
  }

  private changed(): void {
    this.timer ??= window.setTimeout(() => {
      this.timer = undefined;
      this.version++;
      for (const watcher of this.watchers) watcher();
    }, PACE);
  }

  readonly subscribe = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  readonly snapshot = (): number => this.version;
}

const none = new OutputStream('', undefined);

/** Follows the output of a run, of one node when it is named. */
export function useOutput(run: string, node: string | undefined): { buffer: OutputBuffer; state: StreamState; version: number } {
  const [stream, setStream] = useState(none);
  useEffect(() => {
    const next = new OutputStream(run, node);
    setStream(next);
    next.open();
    return () => next.close();
  }, [run, node]);
  const version = useSyncExternalStore(stream.subscribe, stream.snapshot);
  return { buffer: stream.buffer, state: stream.state, version };
}
