import { expect, test } from 'vitest';
import { sides } from './diff';
import { readText, toText } from './text';

test('what the server fills in is not edited', () => {
  const text = toText({
    apiVersion: 'synod/v1',
    kind: 'Template',
    metadata: { namespace: 'shop', name: 'x', labels: {}, revision: 3, author: 'alice' },
    spec: { title: 'X' } as never,
  });
  expect(text).toBe('apiVersion: synod/v1\nkind: Template\nmetadata:\n  namespace: shop\n  name: x\nspec:\n  title: X\n');
});

test('reads one document, and tells where it cannot', () => {
  expect(readText('a: 1')).toEqual({ ok: true, value: { a: 1 } });
  expect(readText('a: 1\na: 2')).toMatchObject({ ok: false });
  expect(readText('- 1')).toMatchObject({ ok: false });
  expect(readText('a: [1')).toMatchObject({ ok: false });
  expect(readText('')).toMatchObject({ ok: false });
});

test('both sides of a unified diff', () => {
  expect(sides('@@ -1,3 +1,3 @@\n spec:\n-  title: a\n+  title: b\n@@ -9,1 +9,2 @@\n x\n+y\n')).toEqual({
    before: 'spec:\n  title: a\n…\nx',
    after: 'spec:\n  title: b\n…\nx\ny',
  });
  expect(sides('')).toEqual({ before: '', after: '' });
});
