import { expect, test } from 'vitest';
import { pathOf, placeOf } from './places';

const text = `spec:
  title: x # note
  approval: { rules: [{ count: 1, from: { role: approver } }] }
  steps:
    - name: a
      run: |
        echo
        echo {{ inputs.servise }}
    - name: b
      when: steps["none"].ok
`;
const at = (pointer: string, line?: number, column?: number) => {
  const { from, to } = placeOf(text, pointer, line, column);
  return text.slice(from, to);
};

test('finds values, and the key of what spans lines', () => {
  expect(at('/spec/title')).toBe('x');
  expect(at('/spec/steps')).toBe('steps');
  expect(at('/spec/approval/rules/0/from/role')).toBe('approver');
  expect(at('/spec/steps/1')).toBe('name: b');
});

test('shows what is missing at the thing it is missing from', () => {
  expect(at('/spec/nothing')).toBe('spec');
  expect(at('/spec/steps/7/run')).toBe('steps');
  expect(at('')).toBe('spec:');
});

test('goes into scripts and expressions by line and column', () => {
  expect(at('/spec/steps/0/run', 2, 16)).toBe('servise');
  expect(at('/spec/steps/0/run', 2, 9)).toBe('inputs.servise');
  expect(at('/spec/steps/1/when', 1, 8)).toBe('none');
});

test('no place lies outside of the text', () => {
  for (const [pointer, line, column] of [
    ['/spec/steps/0/run', 99, 99],
    ['/spec/title', 1, 500],
    ['/x/y/z', 3, 3],
  ] as const) {
    const { from, to } = placeOf(text, pointer, line, column);
    expect(from).toBeGreaterThanOrEqual(0);
    expect(to).toBeLessThanOrEqual(text.length);
    expect(from).toBeLessThanOrEqual(to);
  }
  expect(placeOf('', '/a')).toEqual({ from: 0, to: 0 });
});

test('knows what stands under the pointer', () => {
  expect(pathOf(text, text.indexOf('approver'))).toEqual(['spec', 'approval', 'rules', '#', 'from', 'role']);
  expect(pathOf(text, text.indexOf('when'))).toEqual(['spec', 'steps', '#', 'when']);
  expect(pathOf(text, text.indexOf('# note') + 2)).toBeUndefined();
});
