import { QueryClient, QueryObserver } from '@tanstack/react-query';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { freshener } from './fresh';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A read that takes so long and tells how often it was begun, and how many were broken off. */
function reads(takes: number) {
  const told = { begun: 0, brokenOff: 0 };
  const read = async ({ signal }: { signal: AbortSignal }): Promise<number> => {
    const mine = ++told.begun;
    signal.addEventListener('abort', () => told.brokenOff++);
    await new Promise((resolve) => setTimeout(resolve, takes));
    return mine;
  };
  return { told, read };
}

describe('making anew what was read', () => {
  it('lets a read come to its end, however often news comes', async () => {
    const client = new QueryClient();
    const renew = freshener(client);
    const { told, read } = reads(400);
    const observer = new QueryObserver(client, { queryKey: ['run'], queryFn: read });
    const stop = observer.subscribe(() => {});
    await vi.advanceTimersByTimeAsync(400);
    const news = setInterval(() => renew(() => true), 100);
    await vi.advanceTimersByTimeAsync(1000);
    expect(observer.getCurrentResult().data).toBeGreaterThanOrEqual(2);
    expect(told.brokenOff).toBe(0);
    clearInterval(news);
    // What came during the last read is read as well, and then it is quiet.
    await vi.advanceTimersByTimeAsync(2000);
    const after = told.begun;
    expect(observer.getCurrentResult().data).toBe(after);
    await vi.advanceTimersByTimeAsync(5000);
    expect(told.begun).toBe(after);
    stop();
  });

  it('reads what came during the first read', async () => {
    const client = new QueryClient();
    const renew = freshener(client);
    const { told, read } = reads(400);
    const stop = new QueryObserver(client, { queryKey: ['run'], queryFn: read }).subscribe(() => {});
    await vi.advanceTimersByTimeAsync(100);
    renew(() => true);
    await vi.advanceTimersByTimeAsync(1000);
    expect(told).toEqual({ begun: 2, brokenOff: 0 });
    stop();
  });

  it('leaves what nobody looks at until somebody does', async () => {
    const client = new QueryClient({ defaultOptions: { queries: { staleTime: 30_000 } } });
    const renew = freshener(client);
    const { told, read } = reads(10);
    const options = { queryKey: ['run'], queryFn: read };
    new QueryObserver(client, options).subscribe(() => {})();
    await vi.advanceTimersByTimeAsync(50);
    renew(() => true);
    await vi.advanceTimersByTimeAsync(50);
    expect(told.begun).toBe(1);
    const stop = new QueryObserver(client, options).subscribe(() => {});
    await vi.advanceTimersByTimeAsync(50);
    expect(told.begun).toBe(2);
    stop();
  });

  it('does not try again what failed', async () => {
    const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
    const renew = freshener(client);
    let begun = 0;
    const queryFn = async (): Promise<number> => {
      begun++;
      await new Promise((resolve) => setTimeout(resolve, 100));
      throw new Error('no');
    };
    const stop = new QueryObserver(client, { queryKey: ['run'], queryFn }).subscribe(() => {});
    await vi.advanceTimersByTimeAsync(50);
    renew(() => true);
    await vi.advanceTimersByTimeAsync(5000);
    expect(begun).toBe(2);
    stop();
  });
});
