import { describe, expect, it } from 'vitest';
import { ApiError } from '~/api/problem';
import { atField, besideFields } from './fields';

const refused = (...problems: { pointer: string; message: string; hint?: string }[]) =>
  new ApiError({ type: '', title: 'Invalid', status: 422, detail: 'not valid', code: 'SYN-1001', problems });

describe('errors at fields', () => {
  it('are found by their pointer', () => {
    const error = refused({ pointer: '/name', message: 'too long', hint: 'at most 63' }, { pointer: '/password', message: 'too short' });
    expect(atField(error, '/name')).toBe('too long. at most 63');
    expect(atField(error, '/password', '/new')).toBe('too short');
    expect(atField(error, '/token')).toBeUndefined();
    expect(atField(undefined, '/name')).toBeUndefined();
  });

  it('leave the rest to be told beside them', () => {
    const error = refused({ pointer: '/name', message: 'too long' }, { pointer: '', message: 'odd' });
    expect(besideFields(error, '/name')).toBe(true);
    expect(besideFields(error, '/name', '')).toBe(false);
    expect(besideFields(refused(), '/name')).toBe(true);
    expect(besideFields(undefined, '/name')).toBe(false);
  });
});
