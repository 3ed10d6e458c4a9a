import { describe, expect, it } from 'vitest';
import { asked, exported } from './query';

describe('what the history asks', () => {
  it('leaves out what is empty', () => {
    expect(asked({ node: 'web-1', phase: '', template: undefined })).toEqual({ node: 'web-1' });
  });
  it('exports the same', () => {
    expect(exported({ node: 'a b&c', since: '2026-11-23T00:00:00.000Z' }, 'csv')).toBe(
      'api/v1/tasks?node=a+b%26c&since=2026-11-23T00%3A00%3A00.000Z&format=csv&limit=10000',
    );
  });
});
