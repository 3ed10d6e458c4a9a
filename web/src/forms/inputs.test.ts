import { expect, test } from 'vitest';
import { forForm, prefilled, secretNames, tidy, uiFor, withoutSecrets } from './inputs';

const schema = {
  type: 'object' as const,
  properties: {
    account: { type: 'string' as const },
    password: { type: 'string' as const, writeOnly: true },
    note: { type: 'string' as const, maxLength: 1000 },
  },
  additionalProperties: false,
};

test('secrets are known, hidden, and left out', () => {
  expect(secretNames(schema)).toEqual(['password']);
  expect(uiFor(schema)['password']).toMatchObject({ 'ui:widget': 'password' });
  expect(uiFor(schema)['note']).toMatchObject({ 'ui:widget': 'textarea' });
  expect(withoutSecrets(schema, { account: 'a', password: 'p' })).toEqual({ account: 'a' });
});

test('an address fills in no secret and nothing unknown', () => {
  expect(prefilled(schema, '{"account":"a","password":"p","other":1}')).toEqual({
    inputs: { account: 'a' },
    dropped: ['password', 'other'],
  });
  expect(prefilled(schema, 'no json')).toEqual({ inputs: {}, dropped: ['inputs'] });
  expect(prefilled(schema, '[1]')).toEqual({ inputs: {}, dropped: ['inputs'] });
  expect(prefilled(schema, '{"__proto__":1,"toString":2}').inputs).toEqual({});
  expect(prefilled(schema, undefined)).toEqual({ inputs: {}, dropped: [] });
});

test('what 2020-12 renamed is drawn all the same', () => {
  const made = forForm({
    type: 'object',
    properties: { pair: { type: 'array', prefixItems: [{ type: 'string' }], items: { type: 'number' } } as object },
    dependentRequired: { a: ['b'] },
  } as object);
  expect(made.properties?.['pair']).toEqual({ type: 'array', items: [{ type: 'string' }], additionalItems: { type: 'number' } });
  expect(made.dependencies).toEqual({ a: ['b'] });
});

test('an empty field is no value, false and 0 are', () => {
  expect(tidy({ a: '', b: undefined, c: null, d: false, e: 0 })).toEqual({ d: false, e: 0 });
});
