import type { Query } from '@tanstack/react-query';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Gatherer, isStale, staleBy } from './stale';

const key = (path: string, id?: string) => ({ queryKey: ['get', path, ...(id === undefined ? [] : [{ params: { path: { id } } }])] });
const hit = (event: { type: string; run?: string }, read: { queryKey: unknown[] }) =>
  staleBy(event).some((stale) => isStale(stale, read as Pick<Query, 'queryKey'>));

describe('what an event makes stale', () => {
  it('is the run it is about, not another', () => {
    const ended = { type: 'synod.task.ended', run: 'r1' };
    expect(hit(ended, key('/api/v1/runs/{id}', 'r1'))).toBe(true);
    expect(hit(ended, key('/api/v1/runs/{id}', 'r10'))).toBe(false);
    expect(hit(ended, key('/api/v1/tasks/{id}', 'r1.4'))).toBe(true);
    expect(hit(ended, key('/api/v1/tasks/{id}', 'r10.4'))).toBe(false);
    expect(hit(ended, key('/api/v1/runs'))).toBe(true);
    expect(hit(ended, key('/api/v1/tasks'))).toBe(true);
    expect(hit(ended, key('/api/v1/objects'))).toBe(false);
  });

  it('is every run when a trust root is published', () => {
    expect(hit({ type: 'synod.trust.root_published' }, key('/api/v1/runs/{id}', 'r1'))).toBe(true);
  });

  it('is below a path, not beside it', () => {
    expect(hit({ type: 'synod.user.created' }, key('/api/v1/users/{name}'))).toBe(true);
    expect(hit({ type: 'synod.session.ended' }, key('/api/v1/auth/whoami'))).toBe(false);
  });
});

describe('gathering', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const counting = () => {
    const reads = [key('/api/v1/runs/{id}', 'r1'), key('/api/v1/runs/{id}', 'r2'), key('/api/v1/runs')];
    const counts = [0, 0, 0];
    const gatherer = new Gatherer((about) =>
      reads.forEach((read, n) => about(read as unknown as Query) && (counts[n] = (counts[n] ?? 0) + 1)),
    );
    return { gatherer, counts };
  };

  it('reads the run at once and the lists at a pace, while events keep coming', () => {
    const { gatherer, counts } = counting();
    for (let n = 0; n < 100; n++) {
      gatherer.take({ type: 'synod.task.ended', run: 'r1' });
      vi.advanceTimersByTime(100);
    }
    vi.advanceTimersByTime(5000);
    const [one, other, list] = counts as [number, number, number];
    expect(one).toBeGreaterThan(20);
    expect(other).toBe(0);
    expect(list).toBeGreaterThan(3);
    expect(list).toBeLessThan(8);
  });

  it('a single event is told soon, also in lists', () => {
    const { gatherer, counts } = counting();
    gatherer.take({ type: 'synod.run.requested', run: 'r2' });
    vi.advanceTimersByTime(300);
    expect(counts).toEqual([0, 1, 1]);
    gatherer.take({ type: 'synod.run.ended', run: 'r2' });
    vi.advanceTimersByTime(300);
    expect(counts).toEqual([0, 2, 1]);
    vi.advanceTimersByTime(2000);
    expect(counts).toEqual([0, 2, 2]);
  });

  it('a root published amid a rollout makes every run stale', () => {
    const { gatherer, counts } = counting();
    gatherer.take({ type: 'synod.task.ended', run: 'r1' });
    gatherer.take({ type: 'synod.trust.root_published' });
    vi.advanceTimersByTime(300);
    expect(counts[1]).toBe(1);
  });
});
