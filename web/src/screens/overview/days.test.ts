import { describe, expect, it } from 'vitest';
import { dayName, occurring, rate, total } from './days';

const day = (phases: Record<string, number>) => ({ day: '2026-11-23', phases });

describe('days of runs', () => {
  it('have a rate only when something ended', () => {
    expect(rate(day({ succeeded: 2, failed: 1, cancelled: 5 }))).toBe(66.7);
    expect(rate(day({ succeeded: 3 }))).toBe(100);
    expect(rate(day({ pending: 3 }))).toBeNull();
    expect(total(day({ succeeded: 2, pending: 3 }))).toBe(5);
    expect(total(day({}))).toBe(0);
  });
  it('show the phases that occur, in one order', () => {
    expect(occurring([day({ pending: 1, odd: 1 }), day({ succeeded: 1 })]).map((one) => one.phase)).toEqual([
      'succeeded',
      'pending',
      'odd',
    ]);
  });
  it('are days of UTC', () => expect(dayName('2026-11-23')).toMatch(/23/));
});
