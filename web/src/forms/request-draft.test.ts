import { beforeEach, describe, expect, it, vi } from 'vitest';
import { keepRequest, keptRequest } from './request-draft';

const schema = { type: 'object', properties: { word: { type: 'string' }, pin: { type: 'string', writeOnly: true } } } as const;
let store: Map<string, string>;

beforeEach(() => {
  store = new Map();
  vi.stubGlobal('sessionStorage', {
    getItem: (name: string) => store.get(name) ?? null,
    setItem: (name: string, value: string) => void store.set(name, value),
    removeItem: (name: string) => void store.delete(name),
  });
});

describe('what was filled in and not requested', () => {
  const draft = { inputs: { word: 'hello', pin: '1234' }, target: 'role=web', reason: 'because', when: '' };

  it('is back for the same person and template, without secrets', () => {
    keepRequest('dave', 'shop/greet', schema, draft);
    expect([...store.values()].join()).not.toContain('1234');
    expect(keptRequest('dave', 'shop/greet', schema)).toEqual({ ...draft, inputs: { word: 'hello' } });
    expect(keptRequest('bob', 'shop/greet', schema)).toBeUndefined();
    expect(keptRequest('dave', 'shop/other', schema)).toBeUndefined();
  });

  it('is gone once requested', () => {
    keepRequest('dave', 'shop/greet', schema, draft);
    keepRequest('dave', 'shop/greet', schema, undefined);
    expect(keptRequest('dave', 'shop/greet', schema)).toBeUndefined();
  });

  it('leaves out what became secret, or unknown, meanwhile', () => {
    keepRequest('dave', 'shop/greet', schema, { ...draft, inputs: { word: 'hello', old: 1 } });
    const now = { type: 'object', properties: { word: { type: 'string', writeOnly: true } } } as const;
    expect(keptRequest('dave', 'shop/greet', now)?.inputs).toEqual({});
  });

  it('that is broken is none', () => {
    store.set('synod.draft.dave.request/shop/greet', '{');
    expect(keptRequest('dave', 'shop/greet', schema)).toBeUndefined();
  });
});
