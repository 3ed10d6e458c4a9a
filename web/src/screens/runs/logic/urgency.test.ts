import { describe, expect, it } from 'vitest';
import type { RunSummary } from './types';
import { byUrgency, urgency } from './urgency';

const HOUR = 3_600_000;
const at = (hours: number): string => new Date(hours * HOUR).toISOString();
const run = (id: string, approveBy: number, more: Partial<RunSummary> = {}): RunSummary =>
  ({ id, approveBy: at(approveBy), createdAt: at(-10), ...more }) as RunSummary;

describe('urgency', () => {
  it('is break-glass, then what is about to expire, then the rest by its end', () => {
    const runs = [
      run('late', 40),
      run('early', 5),
      run('glass', 90, { breakGlass: 'on-call' }),
      run('soon', 0.5),
      run('sooner', 0.2),
      run('delayed', 5, { notBefore: at(4) }),
    ];
    expect(byUrgency(runs, 0).map(({ id }) => id)).toEqual(['glass', 'sooner', 'soon', 'early', 'delayed', 'late']);
  });

  it('finds the most pressing however late it comes in what the server gives', () => {
    const runs = [...Array.from({ length: 300 }, (_, n) => run(`r${n}`, 100 - n / 10)), run('last', 0.1)];
    expect(byUrgency(runs, 0)[0]?.id).toBe('last');
  });

  it('of an hour is soon', () => {
    expect(urgency(run('a', 0.99), 0)).toBe('soon');
    expect(urgency(run('a', 1.01), 0)).toBe('ordinary');
  });
});
