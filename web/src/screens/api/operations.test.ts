import { describe, expect, it } from 'vitest';
import type { ApiDocument } from '~/api/document';
import openapi from '../../../../openapi.json';
import { address, curl } from './curl';
import { aboutOf, byTag, found, kindOf, opens, operations, resolved, starter } from './operations';

const document = openapi as unknown as ApiDocument;
const all = operations(document);

describe('the operations of the API', () => {
  it('are all there, once', () => {
    expect(all.length).toBeGreaterThan(60);
    expect(new Set(all.map((one) => one.id)).size).toBe(all.length);
    expect(byTag(all).flatMap(([, listed]) => listed)).toHaveLength(all.length);
  });
  it('are found by words', () => {
    expect(found(all, 'join-tokens POST').map((one) => one.id)).toEqual(['join_token_create']);
    expect(found(all, '')).toHaveLength(all.length);
    expect(found(all, 'no such thing')).toEqual([]);
  });
});

describe('schemas', () => {
  it('are told in a few words', () => {
    expect(kindOf({ type: 'integer', format: 'int64' }, document)).toBe('integer (int64)');
    expect(kindOf({ oneOf: [{ $ref: '#/components/schemas/Timestamp' }, { type: 'null' }] }, document)).toBe('Timestamp or null');
    expect(kindOf({ type: 'array', items: { $ref: '#/components/schemas/Problem' } }, document)).toBe('list of Problem');
    expect(kindOf({ type: 'object', additionalProperties: { type: ['string', 'null'] } }, document)).toBe('map of string or null');
    expect(kindOf({}, document)).toBe('anything');
    expect(aboutOf({ oneOf: [{ $ref: '#/components/schemas/Timestamp', description: 'When.' }, { type: 'null' }] }, document)).toBe(
      'When.',
    );
  });
  it('open where there is something inside', () => {
    expect(opens({ oneOf: [{ $ref: '#/components/schemas/Timestamp' }, { type: 'null' }] }, document)).toBe(false);
    expect(opens({ type: 'array', items: { $ref: '#/components/schemas/Problem' } }, document)).toBe(true);
    const round: ApiDocument = { ...document, components: { schemas: { Loop: { items: { $ref: '#/components/schemas/Loop' } } } } };
    expect(opens({ $ref: '#/components/schemas/Loop' }, round)).toBe(false);
  });
  it('are found by reference', () => {
    expect(resolved({ $ref: '#/components/schemas/Node', description: 'This one.' }, document)).toMatchObject({
      name: 'Node',
      schema: { description: 'This one.' },
    });
    expect(resolved({ $ref: '#/components/schemas/Nothing' }, document)).toEqual({ schema: { $ref: '#/components/schemas/Nothing' } });
  });
  it('give a body to begin with, also where they come back to themselves', () => {
    expect(starter({ $ref: '#/components/schemas/NodeChange' }, document)).toEqual({ labels: {} });
    const round: ApiDocument = {
      ...document,
      components: { schemas: { Tree: { properties: { child: { $ref: '#/components/schemas/Tree' } }, required: ['child'] } } },
    };
    expect(starter({ $ref: '#/components/schemas/Tree' }, round)).toEqual({ child: {} });
    for (const { operation, id } of all) {
      const schema = operation.requestBody?.content['application/json']?.schema;
      if (schema) expect(() => JSON.stringify(starter(schema, document)), id).not.toThrow();
    }
  });
});

describe('curl', () => {
  const filled = {
    method: 'patch' as const,
    path: '/api/v1/nodes/{name}',
    pathParams: { name: 'a b/c' },
    query: { limit: '5', cursor: '' },
    header: { 'If-Match': '"3"' },
    body: `{"labels":{"it":"it's"}}`,
  };
  it('says the same, and leaves nothing to the shell', () => {
    expect(curl('https://x', filled)).toBe(
      [
        `curl -X PATCH 'https://x/api/v1/nodes/a%20b%2Fc?limit=5'`,
        `  -H "Authorization: Bearer $SYNOD_TOKEN"`,
        `  -H 'If-Match: "3"'`,
        `  -H 'Content-Type: application/json'`,
        `  -d '{"labels":{"it":"it'\\''s"}}'`,
      ].join(' \\\n'),
    );
  });
  it('keeps the braces of what is not filled in', () =>
    expect(address('', { ...filled, pathParams: {}, query: {} })).toBe('/api/v1/nodes/{name}'));
});
