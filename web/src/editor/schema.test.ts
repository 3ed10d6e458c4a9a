import { expect, test } from 'vitest';
import { describe, keysAt, type Schema, valuesAt } from './schema';

const schema: Schema = {
  type: 'object',
  properties: { kind: { const: 'Template' }, spec: { $ref: '#/components/schemas/Spec' } },
  components: {
    schemas: {
      Spec: {
        type: 'object',
        required: ['title'],
        properties: {
          title: { type: 'string', description: 'A title.' },
          enabled: { type: 'boolean' },
          rules: {
            type: 'array',
            items: {
              oneOf: [
                { type: 'object', properties: { role: { type: 'string', enum: ['a', 'b'] } } },
                { type: 'object', properties: { user: { type: 'string' } } },
              ],
            },
          },
        },
      },
    },
  },
};

test('keys along references and alternatives, without those that stand there', () => {
  expect(keysAt(schema, ['spec'], ['enabled']).map((one) => [one.label, one.required])).toEqual([
    ['title', true],
    ['rules', false],
  ]);
  expect(keysAt(schema, ['spec', 'rules', '#']).map((one) => one.label)).toEqual(['role', 'user']);
  expect(keysAt(schema, ['nowhere'])).toEqual([]);
});

test('values and words', () => {
  expect(valuesAt(schema, ['kind'])).toEqual(['Template']);
  expect(valuesAt(schema, ['spec', 'enabled'])).toEqual(['true', 'false']);
  expect(valuesAt(schema, ['spec', 'rules', '#', 'role'])).toEqual(['a', 'b']);
  expect(describe(schema, ['spec', 'title'])).toEqual({ description: 'A title.', type: 'string' });
  expect(describe(schema, ['spec', 'none'])).toBeUndefined();
});
