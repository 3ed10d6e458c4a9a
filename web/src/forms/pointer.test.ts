import { expect, test } from 'vitest';
import { fieldOf, segments, toErrors, toPointer } from './pointer';

const all = () => true;

test('pointers and paths are two spellings of one thing', () => {
  expect(segments('/a~1b/c~0d/0')).toEqual(['a/b', 'c~d', '0']);
  expect(toPointer(['a/b', 'c~d', 0])).toBe('/a~1b/c~0d/0');
  expect(segments('')).toEqual([]);
});

test('what is missing is told at the empty field', () => {
  const problem = { pointer: '/inputs', message: 'the field `service` is missing' };
  expect(fieldOf(problem, '/inputs')).toEqual(['service']);
  expect(toErrors([problem], '/inputs', all)).toEqual({ service: { __errors: ['This is needed'] } });
});

test('problems stand at their fields, with the hint where it says more', () => {
  const problems = [
    { pointer: '/inputs/tags/1', message: 'too short', hint: 'at least 2' },
    { pointer: '/inputs/service', message: '"db" is not one of "web"', hint: 'one of "web"' },
    { pointer: '/target', message: 'not ours' },
    { pointer: '/inputsX', message: 'not ours either' },
  ];
  expect(toErrors(problems, '/inputs', all)).toEqual({
    tags: { 1: { __errors: ['too short (at least 2)'] } },
    service: { __errors: ['"db" is not one of "web"'] },
  });
});

test('fields nobody has been at yet are left in peace', () => {
  const problems = [
    { pointer: '/inputs/a', message: 'wrong' },
    { pointer: '/inputs/b', message: 'wrong' },
  ];
  expect(toErrors(problems, '/inputs', (pointer) => pointer === '/b')).toEqual({ b: { __errors: ['wrong'] } });
});
