import { useEffect, useState, useSyncExternalStore } from 'react';
import type { Schemas } from '~/api/client';
import { unreachable } from '~/api/problem';
import { href } from '~/lib/base';
import { OutputBuffer } from './buffer';

/** So many lines are kept of one run. */
export const KEPT = 20_000;
/** At most one drawing in so many milliseconds. */
const PACE = 200;

export type StreamState = 'connecting' | 'live' | 'lost' | 'ended';

const sourceOf = (run: string, node: string | undefined, after?: string): EventSource => {
  const query = new URLSearchParams({ follow: 'true', ...(node !== undefined && { node }), ...(after !== undefined && { after }) });
  return new EventSource(href(`api/v1/runs/${encodeURIComponent(run)}/output?${query}`));
};

/** All of a run's output as text, from its first line up to a place in it, or to its end. */
export function wholeOutput(run: string, node: string | undefined, until: string | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    const buffer = new OutputBuffer(Infinity);
    const source = sourceOf(run, node);
    const done = (): void => {
      source.close();
      resolve(buffer.asText());
    };
    source.addEventListener('output', (message: MessageEvent<string>) => {
      buffer.add(JSON.parse(message.data) as Schemas['OutputChunk']);
      if (message.lastEventId === until) done();
    });
    source.addEventListener('end', done);
    source.onerror = () => {
      source.close();
      reject(unreachable());
    };
  });
}

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

  /** Up to where it was heard. */
  get heard(): string | undefined {
    return this.after;
  }

  open(): void {
    const source = sourceOf(this.run, this.node, this.after);
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
export function useOutput(
  run: string,
  node: string | undefined,
): {
  buffer: OutputBuffer;
  state: StreamState;
  version: number;
  heard: string | undefined;
} {
  const [stream, setStream] = useState(none);
  useEffect(() => {
    const next = new OutputStream(run, node);
    setStream(next);
    next.open();
    return () => next.close();
  }, [run, node]);
  const version = useSyncExternalStore(stream.subscribe, stream.snapshot);
  return { buffer: stream.buffer, state: stream.state, version, heard: stream.heard };
}
