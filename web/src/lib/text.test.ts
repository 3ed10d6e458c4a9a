import { describe, expect, it } from 'vitest';
import { titleOf, visible, visibleJson, visibleLine } from './text';

describe('text of others', () => {
  it('spells out what hides or turns it round, and leaves the rest', () => {
    expect(visible('a\u202eb\u200bc\u0007d\nZürich 日本\té')).toBe('a⟦U+202E⟧b⟦U+200B⟧c⟦U+0007⟧d\nZürich 日本\té');
    expect(visibleLine('a\nb\tc')).toBe('a⏎b c');
    expect(titleOf({ title: '', template: 'x\u202e' })).toBe('x⟦U+202E⟧');
  });

  it('as JSON stays the same document', () => {
    const value = { script: 'rm \u202e x\u2066', n: [1] };
    const text = visibleJson(value);
    expect(text).toContain('rm \\u202e x\\u2066');
    expect(JSON.parse(text)).toEqual(value);
  });
});
