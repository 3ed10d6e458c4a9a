import { createSign, createHash, generateKeyPairSync, sign as signBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { bytesOf, canonical, pae, toBase64 } from './canonical';
import { findResult, fromDer, type SignedResult } from './result';

const TYPE = 'application/vnd.synod.result+json';
const run = { id: 'r1', digest: 'sha256:aa' };
const node = { id: 'n1', name: 'web-1' };
const said = {
  apiVersion: 'synod/v1',
  kind: 'Result',
  run: 'r1',
  digest: 'sha256:aa',
  task: 1,
  node,
  phase: 'succeeded',
  exitCode: 0,
  finishedAt: '2026-11-23T00:00:00Z',
};

function signed(statement: object, curve: 'P-256' | 'Ed25519'): SignedResult {
  const payload = bytesOf(canonical(statement));
  const keys = curve === 'P-256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
  const spki = keys.publicKey.export({ type: 'spki', format: 'der' });
  const text = pae(TYPE, payload);
  const sig = curve === 'P-256' ? createSign('sha256').update(text).sign(keys.privateKey) : signBytes(null, text, keys.privateKey);
  const keyid = `sha256:${createHash('sha256').update(spki).digest('hex')}`;
  return {
    envelope: { payloadType: TYPE, payload: toBase64(payload), signatures: [{ keyid, sig: sig.toString('base64') }] },
    spki: spki.toString('base64'),
  };
}

describe('signed results', () => {
  it.each(['P-256', 'Ed25519'] as const)('verify by the key of the node: %s', async (curve) => {
    // Numbers of an ECDSA signature have one of several lengths.
    for (let n = 0; n < 20; n++) {
      const judged = await findResult([signed({ ...said, task: 0 }, curve), signed(said, curve)], run, 1, node);
      expect(judged).toMatchObject({ verifies: true, statement: { phase: 'succeeded', task: 1 } });
    }
  });

  it('do not when anything is bent', async () => {
    const good = signed(said, 'P-256');
    const other = signed(said, 'P-256');
    const envelope = good.envelope;
    const bent: SignedResult[] = [
      { ...good, spki: other.spki },
      { ...good, envelope: { ...envelope, signatures: other.envelope.signatures } },
      { ...good, envelope: { ...envelope, payload: toBase64(bytesOf(canonical({ ...said, phase: 'failed' }))) } },
      { ...good, envelope: { ...envelope, payloadType: 'text/plain' } },
      { ...good, envelope: { ...envelope, signatures: [] } },
    ];
    for (const one of bent) expect(await findResult([one], run, 1, node)).toMatchObject({ verifies: false });
    expect(await findResult([good], { ...run, digest: 'sha256:bb' }, 1, node)).toMatchObject({ verifies: false });
    expect(await findResult([good], run, 0, node)).toBeUndefined();
    expect(fromDer(Uint8Array.of(0x30, 2, 2, 0))).toBeUndefined();
  });
});
