import { describe, expect, it } from 'vitest';
import { readCopies } from './envelope';
import { aboutWords, breakGlassWords, changesBetween, conditionWords, lasting, needsWords, type RootDoc } from './root';

const first: RootDoc = {
  version: 1,
  createdAt: '2026-11-23T00:00:00Z',
  expiresAt: '2027-11-23T00:00:00Z',
  threshold: 2,
  principals: [
    { name: 'alice', root: true, roles: ['owner'], groups: ['oncall'], keys: ['ssh-ed25519 AAAA alice@here'] },
    { name: 'bob', root: true, roles: ['approver'], keys: ['ssh-ed25519 BBBB'] },
  ],
  rules: [{ name: 'shop', templates: ['shop/*'], nodes: ['*'], approval: { rules: [{ count: 2, from: { role: 'approver' } }] } }],
  breakGlass: [{ name: 'night', who: ['bob'], templates: ['shop/restart'], nodes: ['web-*'], perDay: 1, maxNodes: 3 }],
};

describe('rules in words', () => {
  it('tells what, where and who', () => {
    const [rule] = first.rules as [RootDoc['rules'][number]];
    expect(aboutWords(rule)).toBe('shop/* on every node');
    expect(needsWords(rule)).toEqual(['2 with role approver']);
    expect(
      needsWords({
        ...rule,
        approval: {
          rules: [
            { count: 1, from: { group: 'g' } },
            { count: 1, from: { user: 'u' } },
          ],
        },
      }),
    ).toEqual(['1 of group g', '1 namely u']);
    expect(conditionWords(rule)).toBe('The requester may not approve, the author of the template may; 1 rejection ends it.');
    expect(first.breakGlass?.map(breakGlassWords)).toEqual(['bob may start shop/restart on web-* alone, 1 run a day, on at most 3 nodes.']);
  });
});

describe('changes between versions', () => {
  it('are none between the same', () =>
    expect(changesBetween(first, { ...first, version: 2, expiresAt: '2028-01-01T00:00:00Z' })).toEqual([]));

  it('are all told', () => {
    const next: RootDoc = {
      ...first,
      threshold: 1,
      principals: [
        {
          name: 'alice',
          root: false,
          roles: ['owner', 'approver'],
          groups: [],
          keys: ['ssh-ed25519 AAAA renamed', { credentialId: 'x', publicKey: 'y' }],
        },
        { name: 'carol', root: true, roles: [], keys: ['ssh-ed25519 CCCC'] },
      ],
      rules: [],
      breakGlass: [{ name: 'night', who: ['carol'], templates: ['*/*'], nodes: ['*'], perDay: 2, maxNodes: 1 }],
      passkeys: { rpId: 'synod.example', origins: ['https://synod.example'] },
      revoked: [{ key: 'SHA256:b', at: '2026-11-24T00:00:00Z', reason: 'lost' }],
    };
    expect(changesBetween(first, next)).toEqual([
      'Holders who must sign a root: 2 → 1',
      'alice may no longer sign roots',
      'alice gains the role approver',
      'alice loses the group oncall',
      'alice gains the key passkey x',
      'bob is removed',
      'carol is added, may sign roots; roles: none; groups: none',
      'Rule shop is removed; it was: 2 with role approver for shop/* on every node. The requester may not approve, the author of the template may; 1 rejection ends it.',
      'Break-glass rule night: bob may start shop/restart on web-* alone, 1 run a day, on at most 3 nodes. → carol may start every template on every node alone, 2 runs a day, on at most 1 node.',
      'Passkeys count for no site → synod.example at https://synod.example',
      'SHA256:b is revoked: lost',
    ]);
  });
});

describe('the end of a root', () => {
  const now = Date.parse('2026-11-01T00:00:00Z');
  it.each([
    ['2026-11-01T00:00:00Z', 'over'],
    ['2026-12-01T00:00:00Z', 'soon'],
    ['2026-12-01T00:00:01Z', 'well'],
  ])('%s is %s', (at, expected) => expect(lasting(at, now)).toBe(expected));
});

describe('a signed file', () => {
  const payload = btoa(JSON.stringify({ kind: 'TrustRoot', ...first }));
  const copy = (keyid: string, change: object = {}) =>
    JSON.stringify({ payloadType: 'application/vnd.synod.root+json', payload, signatures: [{ keyid, sig: 'c2ln' }], ...change });

  it('is put together from copies that were signed apart', async () => {
    const { envelope, document, digest } = await readCopies([copy('a'), copy('b'), copy('a')]);
    expect(envelope.signatures.map((one) => one.keyid)).toEqual(['a', 'b']);
    expect(document.version).toBe(1);
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  it.each([
    [[], /Choose the signed file/],
    [['no'], /no JSON/],
    [['{}'], /no payload and signatures/],
    [[copy('a', { payloadType: 'x' })], /something else/],
    [[copy('a', { payload: '%%' })], /no base64/],
    [[copy('a', { payload: btoa('{}') })], /no trust root/],
    [[copy('a'), copy('b', { payload: btoa('{"kind":"TrustRoot"}') })], /different roots/],
  ])('%# is refused in words', async (texts, words) => {
    await expect(readCopies(texts)).rejects.toThrow(words);
  });
});
