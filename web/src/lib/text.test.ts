import { describe, expect, it } from 'vitest';
import { either, outline, titleOf, visible, visibleJson, visibleLine } from './text';

describe('words', () => {
  it('are listed', () => {
    expect([either([]), either(['a']), either(['a', 'b']), either(['a', 'b', 'c'], 'and')]).toEqual(['', 'a', 'a or b', 'a, b and c']);
  });

  it('of a document stand line by line, without its signs', () => {
    expect(outline('just a text')).toBe('just a text');
    expect(outline({ count: 1, from: { role: 'approver' } })).toBe('count: 1\nfrom:\n  role: approver');
    expect(outline([{ name: 'ask', run: 'sleep 1\necho ok\n' }, 'next', []])).toBe(
      '- name: ask\n  run:\n    sleep 1\n    echo ok\n- next\n- none',
    );
    expect(outline({ on: true, none: null, empty: '', deep: [[1, 2]] })).toBe(
      'on: true\nnone: nothing\nempty: ""\ndeep:\n  - - 1\n    - 2',
    );
  });
});

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
