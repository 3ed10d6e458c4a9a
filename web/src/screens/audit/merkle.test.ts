import { describe, expect, it } from 'vitest';
import { type Bytes, fromBase64, same, sha256, text } from './bytes';
import { canonical } from './canonical';
import log from './fixtures/log.json';
import { consistent, leafHash, nodeHash, proveConsistency, tilePath, walk } from './merkle';
import { readHead, readNote } from './note';

const tiles: Record<string, string> = log.tiles;
const read = async (level: number, index: number, width: number): Promise<Bytes[]> => {
  const found = tiles[`${level}/${tilePath(index, width)}`];
  if (found === undefined) throw new Error(`no tile ${level}/${tilePath(index, width)}`);
  const bytes = fromBase64(found);
  return Array.from({ length: bytes.length / 32 }, (_, n) => bytes.slice(n * 32, n * 32 + 32));
};
const heads = log.heads.map((note) => readHead(readNote(note).text));

describe('a log that a server wrote', () => {
  it('holds the events it proves', async () => {
    for (const { event, index, proof, checkpoint } of log.proofs) {
      const head = readHead(readNote(checkpoint).text);
      const leaf = await leafHash(text(canonical(event)));
      const { steps, root } = await walk(leaf, index, head.size, proof.map(fromBase64));
      expect(steps).toHaveLength(proof.length);
      expect(root !== undefined && same(root, head.root), `event ${event.position}`).toBe(true);
      for (const [place, size] of [
        [index + 1, head.size],
        [head.size, head.size],
        [index, 1],
      ] as const) {
        const other = await walk(leaf, place, size, proof.map(fromBase64));
        expect(other.root !== undefined && same(other.root, head.root), `at ${place} of ${size}`).toBe(false);
      }
      const changed = await walk(
        await leafHash(text(canonical({ ...event, actor: 'user:mallory' }))),
        index,
        head.size,
        proof.map(fromBase64),
      );
      expect(changed.root !== undefined && same(changed.root, head.root)).toBe(false);
    }
  });

  it('grew from each of its earlier heads, and from nothing else', async () => {
    const newest = heads.at(-1);
    if (newest === undefined) throw new Error('no heads');
    for (const old of heads.slice(0, -1)) {
      const path = await proveConsistency(old.size, newest.size, read);
      expect(await consistent(old.size, old.root, newest.size, newest.root, path)).toBe(true);
      const wrong = await sha256(old.root);
      expect(await consistent(old.size, wrong, newest.size, newest.root, path)).toBe(false);
      expect(await consistent(old.size, old.root, newest.size, wrong, path)).toBe(false);
      expect(await consistent(old.size, old.root, newest.size, newest.root, path.slice(1))).toBe(false);
      expect(await consistent(old.size, old.root, newest.size, newest.root, [...path, wrong])).toBe(false);
      expect(await consistent(newest.size, newest.root, old.size, old.root, path)).toBe(false);
    }
    expect(await consistent(newest.size, newest.root, newest.size, newest.root, [])).toBe(true);
  });
});

/** Made the plain way of RFC 6962, to be compared with. */
async function rootOf(leaves: Bytes[]): Promise<Bytes> {
  const [first] = leaves;
  if (first === undefined) return sha256(new Uint8Array());
  if (leaves.length === 1) return first;
  let middle = 1;
  while (middle * 2 < leaves.length) middle *= 2;
  return nodeHash(await rootOf(leaves.slice(0, middle)), await rootOf(leaves.slice(middle)));
}

it('proves every growth of small trees', async () => {
  const leaves = await Promise.all(Array.from({ length: 20 }, (_, n) => leafHash(text(`leaf ${n}`))));
  const roots = await Promise.all(leaves.map((_, n) => rootOf(leaves.slice(0, n + 1))));
  for (let size = 1; size <= leaves.length; size++) {
    for (let old = 1; old <= size; old++) {
      const path = await proveConsistency(old, size, async () => leaves.slice(0, size));
      const [oldRoot, root] = [roots[old - 1], roots[size - 1]];
      if (oldRoot === undefined || root === undefined) throw new Error('no root');
      expect(await consistent(old, oldRoot, size, root, path), `${old} to ${size}`).toBe(true);
    }
  }
});

it('writes the paths of tiles as C2SP does', () => {
  expect(tilePath(0, 256)).toBe('000');
  expect(tilePath(2, 121)).toBe('002.p/121');
  expect(tilePath(1234067, 256)).toBe('x001/x234/067');
});

describe('canonical JSON', () => {
  it('is that of RFC 8785', () => {
    expect(
      canonical({
        numbers: [333333333.33333329, 1e30, 4.5, 2e-3, 1e-27],
        string: '\u20ac$\u000f\nA\'B"\\\\"/',
        literals: [null, true, false],
      }),
    ).toBe('{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}');
    expect(canonical({ '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\u{1f600}': 5, '\u0080': 6, '\u00f6': 7 })).toBe(
      '{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"\u{1f600}":5,"\ufb33":3}',
    );
    expect(canonical({ b: undefined, a: {} })).toBe('{"a":{}}');
  });
});
