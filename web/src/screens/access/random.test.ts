import { expect, it } from 'vitest';
import { randomPassword } from './random';

it('is long, readable and never the same', () => {
  const made = new Set(Array.from({ length: 200 }, randomPassword));
  expect(made.size).toBe(200);
  for (const one of made) expect(one).toMatch(/^([a-km-z2-9]{4}-){3}[a-km-z2-9]{4}$/);
  expect([...made].join('')).not.toMatch(/[lo01]/);
});
