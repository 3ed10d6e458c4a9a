import { describe, expect, it } from 'vitest';
import type { Schemas } from '~/api/client';
import { type Bytes, fromBase64, sha256, text, toBase64 } from './bytes';
import { checkHead, checkProof, headHolds, holds } from './check';
import log from './fixtures/log.json';
import { NoTile, tilePath } from './merkle';

const tiles: Record<string, string> = log.tiles;
const read = async (level: number, index: number, width: number): Promise<Bytes[]> => {
  const found = tiles[`${level}/${tilePath(index, width)}`];
  if (found === undefined) throw new NoTile();
  const bytes = fromBase64(found);
  return Array.from({ length: bytes.length / 32 }, (_, n) => bytes.slice(n * 32, n * 32 + 32));
};
const [small = '', middle = '', large = ''] = log.heads;
const at = '2026-11-23T00:00:00.000Z';
const seen = (note: string, key = log.key) => ({ key, note, at });
/** The same head, but for one part; its signature no longer fits, which does not matter to how it grew. */
const altered = (note: string, part: number, value: string): string =>
  note
    .split('\n')
    .map((line, n) => (n === part ? value : line))
    .join('\n');

describe('a head after the one before', () => {
  it('is the first, the same, or grown', async () => {
    expect(await checkHead(large, log.key, undefined, read)).toMatchObject({ growth: 'first', signature: 'good' });
    expect(await checkHead(large, log.key, seen(large), read)).toMatchObject({ growth: 'same' });
    for (const old of [small, middle])
      expect(await checkHead(large, log.key, seen(old), read)).toMatchObject({ growth: 'grown', signature: 'good' });
    expect(await checkHead(middle, log.key, seen(large), read)).toMatchObject({ growth: 'older' });
  });

  it('is called out when the log is not what it was', async () => {
    const wrong = toBase64(await sha256(text('something else')));
    const cases: [string, string, string][] = [
      ['forked', large, altered(large, 2, wrong)],
      ['rewritten', large, altered(middle, 2, wrong)],
      ['other', large, altered(middle, 0, 'synod/other')],
      // Its tiles are gone: the log ends before what was seen.
      ['shrunk', large, altered(large, 1, '700')],
    ];
    for (const [growth, now, before] of cases) {
      const checked = await checkHead(now, log.key, seen(before), read);
      expect(checked.growth).toBe(growth);
      expect(headHolds(checked)).toBe(false);
    }
    expect((await checkHead(large, log.key, seen(large, 'synod/6ed28df44e2fedd4+00000000+AAAA'), read)).growth).toBe('other');
  });

  it('does not hold with a bad signature', async () => {
    const checked = await checkHead(altered(large, 1, '634'), log.key, undefined, read);
    expect(checked.signature).toBe('bad');
    expect(headHolds(checked)).toBe(false);
    expect((await checkHead(altered(large, 0, 'synod/other'), log.key, undefined, read)).signature).toBe('unsigned');
  });

  it('is not judged when tiles cannot be read', async () => {
    const offline = () => Promise.reject(new Error('offline'));
    await expect(checkHead(large, log.key, seen(middle), offline)).rejects.toThrow('offline');
    await expect(checkHead(middle, log.key, seen(large), offline)).rejects.toThrow('offline');
  });
});

describe('a proof', () => {
  const proofs = log.proofs as unknown as Schemas['AuditProof'][];
  it('holds for what was asked only', async () => {
    for (const proof of proofs) {
      expect(holds(await checkProof(proof.event.position, proof, log.key, seen(small), read))).toBe(true);
      expect(holds(await checkProof(proof.event.position + 1, proof, log.key, seen(small), read))).toBe(false);
    }
  });
  it('does not hold when the event was changed', async () => {
    for (const proof of proofs) {
      const changed = { ...proof, event: { ...proof.event, time: at } };
      expect(await checkProof(proof.event.position, changed, log.key, undefined, read)).toMatchObject({ leads: false, asked: true });
    }
  });
});
