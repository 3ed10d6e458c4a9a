import { expect, test } from 'vitest';
import { spotAt } from './cursor';

/** `^` is the cursor. */
const spot = (marked: string) => {
  const offset = marked.indexOf('^');
  return spotAt(marked.slice(0, offset) + marked.slice(offset + 1), offset);
};

test('a key at the top, in a map, in a list', () => {
  expect(spot('api^')).toMatchObject({ path: [], writing: 'key' });
  expect(spot('spec:\n  title: x\n  st^\n  timeout: 1m\n')).toMatchObject({
    path: ['spec'],
    writing: 'key',
    present: ['title', 'timeout'],
  });
  expect(spot('spec:\n  steps:\n    - name: a\n      r^\n')).toMatchObject({
    path: ['spec', 'steps', '#'],
    writing: 'key',
    present: ['name'],
  });
  expect(spot('spec:\n  steps:\n  - name: a\n  - n^\n')).toMatchObject({ path: ['spec', 'steps', '#'], writing: 'key' });
  expect(spot('spec:\n  steps:\n    - name: a\n      expect:\n        e^\n')).toMatchObject({ path: ['spec', 'steps', '#', 'expect'] });
});

test('a value', () => {
  expect(spot('spec:\n  strategy:\n    type: ro^')).toMatchObject({ path: ['spec', 'strategy', 'type'], writing: 'value' });
  expect(spot('kind: ^')).toMatchObject({ path: ['kind'], writing: 'value' });
});

test('inside of brackets', () => {
  expect(spot('spec:\n  strategy: { type: r^')).toMatchObject({ path: ['spec', 'strategy', 'type'], writing: 'value' });
  expect(spot('spec:\n  approval:\n    rules:\n      - { count: 1, f^')).toMatchObject({
    path: ['spec', 'approval', 'rules', '#'],
    writing: 'key',
    present: ['count'],
  });
  expect(spot('spec:\n  approval: { rules: [{ count: 1, from: { ro^')).toMatchObject({
    path: ['spec', 'approval', 'rules', '#', 'from'],
    writing: 'key',
  });
});

test('nothing in scripts and comments', () => {
  expect(spot('steps:\n  - run: |\n      echo ^')).toBeUndefined();
  expect(spot('steps:\n  - name: a\n    run: >-\n      ec^')).toBeUndefined();
  expect(spot('spec: # wo^')).toBeUndefined();
});
