import { describe, expect, it, vi } from 'vitest';
import { Renewal } from './renew';

const HOUR = 3_600_000;
const at = (time: number): string => new Date(time).toISOString();

describe('renewing a session', () => {
  it('happens once half of its time is over, when somebody does something', () => {
    const renew = vi.fn(() => Promise.resolve());
    const renewal = new Renewal(renew);
    renewal.learn(at(24 * HOUR), 0);
    renewal.used(11 * HOUR);
    expect(renew).not.toHaveBeenCalled();
    renewal.used(13 * HOUR);
    renewal.used(13 * HOUR + 1000);
    expect(renew).toHaveBeenCalledTimes(1);
    // It ends later now.
    renewal.learn(at(37 * HOUR), 13 * HOUR);
    renewal.used(14 * HOUR);
    expect(renew).toHaveBeenCalledTimes(1);
    renewal.used(26 * HOUR);
    expect(renew).toHaveBeenCalledTimes(2);
  });

  it('is tried again after a while when it failed', () => {
    const renew = vi.fn(() => Promise.reject(new Error('no')));
    const renewal = new Renewal(renew);
    renewal.learn(at(2 * HOUR), 0);
    renewal.used(1.5 * HOUR);
    renewal.used(1.5 * HOUR + 30_000);
    expect(renew).toHaveBeenCalledTimes(1);
    renewal.used(1.5 * HOUR + 61_000);
    expect(renew).toHaveBeenCalledTimes(2);
  });

  it('does not happen where nobody knows an end, or after it', () => {
    const renew = vi.fn(() => Promise.resolve());
    const renewal = new Renewal(renew);
    renewal.used(HOUR);
    renewal.learn(null, 0);
    renewal.used(HOUR);
    renewal.learn(at(HOUR), 0);
    renewal.used(2 * HOUR);
    expect(renew).not.toHaveBeenCalled();
  });
});
