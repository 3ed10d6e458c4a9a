import { useEffect, useRef, useSyncExternalStore } from 'react';
import { client, type Schemas, unwrap } from '~/api/client';
import { refresh } from '~/api/query';
import { href } from './base';
import { Gatherer } from './stale';

export type SynodEvent = Schemas['Event'];
export type Connection = 'connecting' | 'live' | 'lost';

/**
 * One stream of server-sent events for the whole console. The browser resumes it by `Last-Event-ID`; where it gives up
 * (the server was away), we begin again after the last position seen, so that nothing is missed.
 */
class Live {
  private source: EventSource | undefined;
  private state: Connection = 'connecting';
  private position: string | undefined;
  private readonly stale = new Gatherer(refresh);
  private delay = 500;
  private timer: number | undefined;
  private readonly watchers = new Set<() => void>();
  private readonly listeners = new Set<(event: SynodEvent) => void>();

  /**
   * Learns where the stream is to begin, before anything is read that it has to tell the changes of. Without that, everything
   * is read once more when the stream stands.
   */
  async prepare(): Promise<void> {
    if (this.position !== undefined || this.source !== undefined || this.timer !== undefined) return;
    const asked = client.GET('/api/v1/events', { params: { query: { newest: true, limit: 1 } } });
    const latest = await unwrap(asked).catch(() => undefined);
    if (latest !== undefined) this.position ??= String(latest.items[0]?.position ?? 0);
  }

  start(): void {
    if (this.source !== undefined || this.timer !== undefined) return;
    this.open();
  }

  stop(): void {
    window.clearTimeout(this.timer);
    this.timer = undefined;
    this.source?.close();
    this.source = undefined;
    this.position = undefined;
    this.stale.stop();
    this.become('connecting');
  }

  /** Tries at once instead of waiting. */
  retry(): void {
    window.clearTimeout(this.timer);
    this.source?.close();
    this.open();
  }

  private open(): void {
    this.timer = undefined;
    const known = this.position !== undefined;
    const after = this.position === undefined ? '' : `&after=${encodeURIComponent(this.position)}`;
    const source = new EventSource(href(`api/v1/events?follow=true${after}`));
    this.source = source;
    source.onopen = () => {
      this.delay = 500;
      const healed = this.state === 'lost';
      this.become('live');
      // A server that was away may have let go of what the stream would tell; without a position nobody knows what changed.
      if (healed || !known) refresh('/api/v1');
    };
    source.onmessage = (message: MessageEvent<string>) => {
      this.position = message.lastEventId;
      const event = JSON.parse(message.data) as SynodEvent;
      this.stale.take(event);
      for (const listener of this.listeners) listener(event);
    };
    source.onerror = () => {
      this.become('lost');
      if (source.readyState !== EventSource.CLOSED) return;
      this.source = undefined;
      this.timer = window.setTimeout(() => this.open(), this.delay);
      this.delay = Math.min(this.delay * 2, 10_000);
      // A session that ended shows by the answer to this.
      refresh('/api/v1/auth/whoami');
    };
  }

  private become(state: Connection): void {
    if (this.state === state) return;
    this.state = state;
    for (const watcher of this.watchers) watcher();
  }

  readonly subscribe = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  readonly snapshot = (): Connection => this.state;

  listen(listener: (event: SynodEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

export const live = new Live();

/** Whether the stream of events stands. */
export const useConnection = (): Connection => useSyncExternalStore(live.subscribe, live.snapshot);

/** Calls `listener` for every event from now on. */
export function useEvents(listener: (event: SynodEvent) => void): void {
  const latest = useRef(listener);
  useEffect(() => {
    latest.current = listener;
  });
  useEffect(() => live.listen((event) => latest.current(event)), []);
}
