import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TASK_PHASES } from '../logic/types';
import { moved, NodeStore, taskChange } from './store';

const many = Array.from({ length: 10_000 }, (_, n) => ({ id: `n${n}`, name: `web-${n}`, phase: TASK_PHASES[n % TASK_PHASES.length] }));

describe('ten thousand nodes', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('are counted and filtered', () => {
    const store = new NodeStore(1000);
    store.load(many);
    expect([...store.counts().values()]).toEqual(TASK_PHASES.map(() => 1000));
    expect(store.matching(new Set(['failed']), '')).toHaveLength(1000);
    expect(store.matching(new Set(), 'WEB-999')).toHaveLength(11);
    expect(store.matching(new Set(['lost']), 'web-9992')).toEqual(Uint32Array.of(9992));
    expect(store.matching(new Set(), '')).toHaveLength(10_000);
  });

  it('change in one drawing a second, however many events come', () => {
    const store = new NodeStore(1000);
    const draw = vi.fn();
    store.subscribe(draw);
    store.load(many.map(({ id, name }) => ({ id, name })));
    expect(draw).toHaveBeenCalledTimes(1);
    for (let n = 0; n < 10_000; n++) {
      store.set(n, 'started');
      store.set(n, n % 100 === 0 ? 'failed' : 'succeeded', n % 100 === 0 ? 1 : 0);
    }
    expect(draw).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(1000);
    expect(draw).toHaveBeenCalledTimes(2);
    expect(store.counts()).toEqual(
      new Map([
        ['failed', 100],
        ['succeeded', 9900],
      ]),
    );
    expect([store.phase(100), store.exitCode(100), store.exitCode(101)]).toEqual(['failed', 1, 0]);
  });

  it('never go back by an answer that was slower than an event', () => {
    const store = new NodeStore(0);
    store.load([{ id: 'a', name: 'a' }]);
    store.set(0, 'succeeded', 0);
    store.load([{ id: 'a', name: 'a', phase: 'started' }]);
    expect(store.phase(0)).toBe('succeeded');
  });

  it('take no change of what they do not know', () => {
    const store = new NodeStore(0);
    store.load(many.slice(0, 2));
    store.set(5, 'failed');
    store.set(0, 'whatever');
    expect(store.phase(0)).toBe('failed');
    expect(store.phase(5)).toBe('waiting');
  });
});

describe('events', () => {
  it('tell where a task stands', () => {
    expect(taskChange({ type: 'synod.task.started', subject: 'task/r1.7', data: {} }, 'r1')).toEqual({ index: 7, phase: 'started' });
    expect(taskChange({ type: 'synod.task.ended', subject: 'task/r1.7', data: { phase: 'timed_out', exitCode: null } }, 'r1')).toEqual({
      index: 7,
      phase: 'timed_out',
      exitCode: null,
    });
    expect(taskChange({ type: 'synod.task.refused', subject: 'task/r1.0', data: {} }, 'r1')).toEqual({ index: 0, phase: 'refused' });
    expect(taskChange({ type: 'synod.task.started', subject: 'task/r10.7', data: {} }, 'r1')).toBeUndefined();
    expect(taskChange({ type: 'synod.task.late_result', subject: 'task/r1.7', data: { phase: 'failed' } }, 'r1')).toBeUndefined();
  });
});

describe('arrow keys', () => {
  it('stay inside', () => {
    expect(moved(0, 'ArrowLeft', 10, 95)).toBe(0);
    expect(moved(3, 'ArrowDown', 10, 95)).toBe(13);
    expect(moved(90, 'ArrowDown', 10, 95)).toBe(94);
    expect(moved(5, 'End', 10, 95)).toBe(94);
    expect(moved(5, 'x', 10, 95)).toBe(5);
  });
});
