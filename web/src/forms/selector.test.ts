import { expect, test } from 'vitest';
import { asked, format, matches, parse, type Requirement, toggle } from './selector';

const read = (text: string): Requirement[] => {
  const found = parse(text);
  if (!Array.isArray(found)) throw new Error(`column ${found.column}`);
  return found;
};

test('reads what the server reads, and writes it the same way', () => {
  const text = 'role=web,env!=dev,zone in (a,b),tier notin (x,y),!draining,gpu';
  expect(format(read(text))).toBe(text);
  expect(format(read(' role == web , zone in ( a , b ) '))).toBe('role=web,zone in (a,b)');
  expect(read('')).toEqual([]);
});

test.each([
  ['role=', 6],
  ['role=web,', 10],
  ['zone in a', 9],
  ['zone in (a', 11],
  ['=x', 1],
  ['role web', 6],
])('refuses %s at its place', (text, column) => {
  expect(parse(text)).toEqual({ column });
});

test('matches as the server does', () => {
  const labels = { role: 'web', env: 'prod', name: 'web-1' };
  const holds = (text: string) => matches(read(text), labels);
  expect(holds('role=web,env!=dev')).toBe(true);
  expect(holds('zone!=a')).toBe(true);
  expect(holds('zone')).toBe(false);
  expect(holds('!zone,env')).toBe(true);
  expect(holds('name in (web-1,web-2)')).toBe(true);
  expect(holds('toString')).toBe(false);
});

test('presses a value in and out', () => {
  expect(toggle('', 'name', 'web-1')).toBe('name=web-1');
  expect(toggle('role=web,name=web-1', 'name', 'web-2')).toBe('role=web,name in (web-1,web-2)');
  expect(toggle('name in (web-1,web-2)', 'name', 'web-1')).toBe('name=web-2');
  expect(toggle('role=web,name=web-1', 'name', 'web-1')).toBe('role=web');
  expect(toggle('role=', 'env', 'prod')).toBe('env=prod');
  expect(asked(read('env in (a,b)'), 'env', 'b')).toBe(true);
});
