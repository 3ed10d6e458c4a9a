import { describe, expect, it } from 'vitest';
import { placeOf } from './subject';

describe('the screen of a subject', () => {
  it('is the one that shows it', () => {
    expect(placeOf('run/1abc')).toEqual({ to: '/runs/1abc' });
    expect(placeOf('task/1abc.12')).toEqual({ to: '/runs/1abc' });
    expect(placeOf('node/web-1')).toEqual({ to: '/nodes/web-1' });
    expect(placeOf('template/shop/restart-service')).toEqual({ to: '/templates/shop/restart-service' });
    expect(placeOf('trust/3')).toEqual({ to: '/trust' });
  });
  it('is nowhere for what has none', () => {
    for (const subject of ['server', 'server/1x', 'user/unknown', '', 'template/odd']) expect(placeOf(subject), subject).toBeUndefined();
  });
});
