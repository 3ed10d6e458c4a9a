import { QueryObserver } from '@tanstack/react-query';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

/** The browser's stream, in our hands. */
class Source {
  static readonly CLOSED = 2;
  static made: Source[] = [];
  readyState = 0;
  onopen: (() => void) | undefined;
  onmessage: ((message: { lastEventId: string; data: string }) => void) | undefined;
  onerror: (() => void) | undefined;
  constructor(readonly url: string) {
    Source.made.push(this);
  }
  close(): void {
    this.readyState = Source.CLOSED;
  }
  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  tell(position: number, type: string, run?: string): void {
    this.onmessage?.({ lastEventId: String(position), data: JSON.stringify({ position, type, run, subject: '', actor: '' }) });
  }
  fail(): void {
    this.readyState = Source.CLOSED;
    this.onerror?.();
  }
}

/** What the server answers to the question where the stream begins. */
let newest: () => Response;

async function console_() {
  const { live } = await import('./live');
  const { queryClient } = await import('~/api/query');
  let reads = 0;
  const stop = new QueryObserver(queryClient, {
    queryKey: ['get', '/api/v1/runs/{id}', { params: { path: { id: 'r1' } } }],
    queryFn: () => Promise.resolve(++reads),
  }).subscribe(() => {});
  await vi.advanceTimersByTimeAsync(0);
  return { live, stop, reads: () => reads };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.resetModules();
  Source.made = [];
  newest = () => Response.json({ items: [{ position: 41 }] });
  vi.stubGlobal('document', { baseURI: 'https://synod.example/', querySelector: () => null });
  vi.stubGlobal('window', globalThis);
  vi.stubGlobal('location', { href: 'https://synod.example/' });
  vi.stubGlobal('EventSource', Source);
  const { Request: Plain } = globalThis;
  // Outside of a browser, addresses must be whole.
  vi.stubGlobal(
    'Request',
    class extends Plain {
      constructor(input: string | Request, init?: RequestInit) {
        super(typeof input === 'string' ? new URL(input, 'https://synod.example') : input, init);
      }
    },
  );
  vi.stubGlobal('fetch', () => Promise.resolve(newest()));
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe('the stream of events', () => {
  it('begins where the first reads begin, so that nothing falls between', async () => {
    const { live, stop, reads } = await console_();
    await live.prepare();
    live.start();
    expect(Source.made[0]?.url).toBe('/api/v1/events?follow=true&after=41');
    Source.made[0]?.open();
    await vi.advanceTimersByTimeAsync(1000);
    expect(reads()).toBe(1);
    Source.made[0]?.tell(42, 'synod.run.ended', 'r1');
    await vi.advanceTimersByTimeAsync(1000);
    expect(reads()).toBe(2);
    stop();
    live.stop();
  });

  it('begins at the beginning where nothing has happened yet', async () => {
    newest = () => Response.json({ items: [] });
    const { live, stop } = await console_();
    await live.prepare();
    live.start();
    expect(Source.made[0]?.url).toBe('/api/v1/events?follow=true&after=0');
    stop();
    live.stop();
  });

  it('has everything read once more where it could not learn its beginning', async () => {
    newest = () => Response.json({ code: 'SYN-2100', detail: 'no' }, { status: 403 });
    const { live, stop, reads } = await console_();
    await live.prepare();
    live.start();
    expect(Source.made[0]?.url).toBe('/api/v1/events?follow=true');
    Source.made[0]?.open();
    await vi.advanceTimersByTimeAsync(1000);
    expect(reads()).toBe(2);
    stop();
    live.stop();
  });

  it('goes on after the last it heard when the server was away, and has everything read anew', async () => {
    const { live, stop, reads } = await console_();
    await live.prepare();
    live.start();
    Source.made[0]?.open();
    Source.made[0]?.tell(57, 'synod.node.joined');
    Source.made[0]?.fail();
    expect(live.snapshot()).toBe('lost');
    await vi.advanceTimersByTimeAsync(600);
    expect(Source.made[1]?.url).toBe('/api/v1/events?follow=true&after=57');
    Source.made[1]?.open();
    await vi.advanceTimersByTimeAsync(1000);
    expect(live.snapshot()).toBe('live');
    expect(reads()).toBe(2);
    stop();
    live.stop();
  });
});
