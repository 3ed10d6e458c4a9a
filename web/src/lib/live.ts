import { useEffect, useRef, useSyncExternalStore } from 'react';
import type { Schemas } from '~/api/client';
import { invalidate } from '~/api/query';
import { href } from './base';

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
  private delay = 500;
  private timer: number | undefined;
  private readonly watchers = new Set<() => void>();
  private readonly listeners = new Set<(event: SynodEvent) => void>();

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
    const after = this.position === undefined ? '' : `&after=${encodeURIComponent(this.position)}`;
    const source = new EventSource(href(`api/v1/events?follow=true${after}`));
    this.source = source;
    source.onopen = () => {
      this.delay = 500;
      const healed = this.state === 'lost';
      this.become('live');
      // What changed while nobody listened is told by the stream, if a position was known; else everything is read anew.
      if (healed) invalidate('/api/v1');
    };
    source.onmessage = (message: MessageEvent<string>) => {
      this.position = message.lastEventId;
      const event = JSON.parse(message.data) as SynodEvent;
      refresh(event);
      for (const listener of this.listeners) listener(event);
    };
    source.onerror = () => {
      this.become('lost');
      if (source.readyState !== EventSource.CLOSED) return;
      this.source = undefined;
      this.timer = window.setTimeout(() => this.open(), this.delay);
      this.delay = Math.min(this.delay * 2, 10_000);
      // A session that ended shows by the answer to this.
      invalidate('/api/v1/auth/whoami');
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

/** Which reads an event makes stale. Many events of one sort cost one read: they are gathered for a moment. */
const STALE: [RegExp, string[]][] = [
  [/^synod\.run\./, ['/api/v1/runs', '/api/v1/overview', '/api/v1/tasks']],
  [/^synod\.approval\./, ['/api/v1/runs']],
  [/^synod\.task\./, ['/api/v1/runs', '/api/v1/tasks']],
  [/^synod\.node\./, ['/api/v1/nodes', '/api/v1/trust', '/api/v1/join-tokens', '/api/v1/overview']],
  [/^synod\.object\./, ['/api/v1/objects', '/api/v1/access', '/api/v1/auth/whoami']],
  [/^synod\.user\./, ['/api/v1/users', '/api/v1/access', '/api/v1/auth']],
  [/^synod\.trust\./, ['/api/v1/trust', '/api/v1/runs']],
  [/^synod\.session\./, ['/api/v1/auth/sessions']],
  [/^synod\.join_token\./, ['/api/v1/join-tokens']],
  [/^synod\.api_key\./, ['/api/v1/api-keys']],
];
const stale = new Set<string>();
let gathering: number | undefined;

function refresh(event: SynodEvent): void {
  for (const [kind, paths] of STALE) if (kind.test(event.type)) for (const path of paths) stale.add(path);
  if (stale.size === 0 || gathering !== undefined) return;
  gathering = window.setTimeout(() => {
    gathering = undefined;
    invalidate(...stale);
    stale.clear();
  }, 250);
}

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
