import { describe, expect, it } from 'vitest';
import type { SynodEvent } from '~/lib/live';
import { asked, matches, merged } from './match';

const event = (position: number, more: Partial<SynodEvent> = {}): SynodEvent => ({
  specversion: '1.0',
  id: String(position),
  source: 'synod',
  type: 'synod.run.requested',
  subject: 'run/1abc',
  time: '2026-11-23T10:00:00.000Z',
  datacontenttype: 'application/json',
  actor: 'user:dave',
  namespace: 'shop',
  run: '1abc',
  position,
  data: {},
  ...more,
});

describe('events that just came', () => {
  it('are held to the filters as the server does', () => {
    const one = event(1);
    for (const fits of [
      {},
      { type: 'synod.run.*' },
      { type: '*' },
      { type: 'synod.run.requested' },
      { subject: 'run/1abc', actor: 'user:dave' },
      { since: '2026-11-23T10:00:00.000Z' },
      { type: '', run: '1abc' },
    ]) {
      expect(matches(one, fits), JSON.stringify(fits)).toBe(true);
    }
    for (const not of [
      { type: 'synod.run' },
      { type: 'synod.task.*' },
      { namespace: 'ops' },
      { run: '2' },
      { until: '2026-11-23T10:00:00.000Z' },
      { since: '2026-11-23T10:00:00.001Z' },
    ]) {
      expect(matches(one, not), JSON.stringify(not)).toBe(false);
    }
    expect(matches(event(1, { namespace: undefined }), { namespace: 'shop' })).toBe(false);
  });
  it('are shown once, newest first, and not without end', () => {
    expect(merged([event(5), event(4)], [event(4), event(3), event(2)], 3).map((one) => one.position)).toEqual([5, 4, 3]);
  });
  it('are asked for without what is empty', () => {
    expect(asked({ type: '', actor: 'user:bob' })).toEqual({ actor: 'user:bob' });
  });
});
