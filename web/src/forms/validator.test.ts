import { expect, test } from 'vitest';
import { complaints, validator } from './validator';

const root = {
  type: 'object' as const,
  required: ['service'],
  properties: { service: { type: 'string' as const, enum: ['web', 'worker'] }, port: { $ref: '#/$defs/port' } },
  $defs: { port: { type: 'integer' as const, minimum: 1 } },
};

test('tells what does not fit, at its place', () => {
  expect(complaints(root, { service: 'web', port: 5 })).toEqual([]);
  expect(complaints(root, { service: 'db', port: 0 }).map((one) => one.pointer)).toEqual(['/service', '/port']);
  expect(complaints(root, {})[0]).toMatchObject({ pointer: '', keyword: 'required' });
});

test('leaves the schema as it was, frozen or not', () => {
  const frozen = Object.freeze(structuredClone(root));
  complaints(frozen, { service: 'web' });
  complaints(frozen, { service: 'web' });
  expect(JSON.stringify(frozen)).toBe(JSON.stringify(root));
});

test('judges a part of a schema by the whole it refers to', () => {
  expect(validator.isValid({ $ref: '#/$defs/port' }, 5 as never, root)).toBe(true);
  expect(validator.isValid({ $ref: '#/$defs/port' }, 0 as never, root)).toBe(false);
  expect(validator.isValid({ $ref: '#/$defs/none' }, 0 as never, root)).toBe(false);
});

test('gives rjsf its form of errors', () => {
  const { errors, errorSchema } = validator.validateFormData({ service: 'db' }, root);
  expect(errors).toHaveLength(1);
  expect(errorSchema).toMatchObject({ service: { __errors: [expect.any(String)] } });
});

test('makes no code of a schema', () => {
  const { Function: made } = globalThis;
  globalThis.Function = (() => {
    throw new Error('code was made');
  }) as unknown as FunctionConstructor;
  try {
    expect(validator.isValid(root, { service: 'web' }, root)).toBe(true);
  } finally {
    globalThis.Function = made;
  }
});
