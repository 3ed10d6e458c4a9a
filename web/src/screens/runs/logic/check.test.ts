import { describe, expect, it } from 'vitest';
import { bytesOf, canonical, digest, nodesRoot, pae, sha256, shortDigest, toBase64, toBase64Url } from './canonical';
import { checkOrder, checkShown, type Meant, type Shown } from './check';
import fixture from './fixture.json';

/** A run as a server showed it, with the digest it computed. */
const shown = fixture as unknown as Shown;
const nodes = fixture.nodes;
const meant: Meant = { decision: 'approve', comment: 'fine', person: 'bob', ratifies: false };
const said = {
  apiVersion: 'synod/v1',
  kind: 'Approval',
  run: shown.id,
  digest: shown.digest,
  decision: 'approve',
  person: 'bob',
  comment: 'fine',
  at: '2026-11-23T02:00:00Z',
};

async function order(statement: object, payloadType = 'application/vnd.synod.approval+json') {
  const payload = bytesOf(canonical(statement));
  return { payloadType, payload: toBase64(payload), challenge: toBase64Url(await sha256(pae(payloadType, payload))) };
}

describe('canonical JSON', () => {
  it('sorts members, leaves no space, and writes numbers as RFC 8785 does', () => {
    expect(canonical({ b: [1, true, null], a: 'é"\n', '€': 1.5, '\u{1F600}': 1e21 })).toBe(
      '{"a":"é\\"\\n","b":[1,true,null],"€":1.5,"😀":1e+21}',
    );
  });

  it('yields the digest the server computed', async () => {
    expect(await digest(fixture.manifest)).toBe(fixture.digest);
  });

  it('yields the root over the nodes the server computed', async () => {
    expect(await nodesRoot(nodes)).toBe(fixture.manifest.nodes.root);
    expect(await nodesRoot([])).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });

  it('shortens digests', () => {
    expect(shortDigest('sha256:83da4c2ce7fa08e8')).toBe('83da 4c2c e7fa');
  });
});

describe('what is shown', () => {
  it('agrees with itself', async () => {
    await expect(checkShown(shown, nodes)).resolves.toBeUndefined();
  });

  it.each([
    ['a changed manifest', { ...shown, manifest: { ...shown.manifest, reason: 'another' } }, nodes, /calls it/],
    ['another digest', { ...shown, digest: 'sha256:00' }, nodes, /calls it/],
    ['the manifest of another run', { ...shown, id: 'r2' }, nodes, /as that of r2/],
    ['a node less', shown, nodes.slice(1), /other nodes/],
    ['nodes in another order', shown, [...nodes].reverse(), /other nodes/],
    ['a renamed node', shown, nodes.map((node, n) => (n === 0 ? { ...node, name: 'x' } : node)), /other nodes/],
  ])('is refused with %s', async (_, run, entries, words) => {
    await expect(checkShown(run, entries)).rejects.toThrow(words);
  });
});

describe('what is to be signed', () => {
  it('is what the person means', async () => {
    await expect(checkOrder(await order(said), shown, meant)).resolves.toBeUndefined();
    const { comment: _, ...silent } = said;
    await expect(checkOrder(await order(silent), shown, { ...meant, comment: '' })).resolves.toBeUndefined();
    await expect(checkOrder(await order({ ...said, ratifies: true }), shown, { ...meant, ratifies: true })).resolves.toBeUndefined();
    const open = { ...shown, manifest: { ...shown.manifest, breakGlass: 'night' } };
    await expect(checkOrder(await order({ ...said, breakGlass: true }), open, meant)).resolves.toBeUndefined();
  });

  it.each([
    ['another run', { ...said, run: 'r2' }],
    ['another digest', { ...said, digest: 'sha256:00' }],
    ['another decision', { ...said, decision: 'reject' }],
    ['another person', { ...said, person: 'carol' }],
    ['other words', { ...said, comment: 'whatever' }],
    ['break-glass', { ...said, breakGlass: true }],
    ['a ratification', { ...said, ratifies: true }],
    ['something more', { ...said, also: 1 }],
    ['no time', { ...said, at: undefined }],
  ])('is refused with %s', async (_, statement) => {
    await expect(checkOrder(await order(statement), shown, meant)).rejects.toThrow(/something else/);
  });

  it('is refused by another challenge, type or spelling', async () => {
    const good = await order(said);
    await expect(checkOrder({ ...good, challenge: toBase64Url(new Uint8Array(32)) }, shown, meant)).rejects.toThrow(/challenge/);
    await expect(checkOrder(await order(said, 'text/plain'), shown, meant)).rejects.toThrow(/type/);
    await expect(checkOrder({ ...good, payload: toBase64(bytesOf(JSON.stringify(said, null, 1))) }, shown, meant)).rejects.toThrow(
      /canonical/,
    );
  });
});
