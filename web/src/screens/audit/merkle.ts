import { type Bytes, joined, same, sha256 } from './bytes';

/** Merkle trees with the hashing of RFC 6962 section 2.1, and their proofs. Sizes stay below 2^53. */

const LEAF = new Uint8Array([0]);
const NODE = new Uint8Array([1]);

export const leafHash = (data: Bytes): Promise<Bytes> => sha256(joined(LEAF, data));
export const nodeHash = (left: Bytes, right: Bytes): Promise<Bytes> => sha256(joined(NODE, left, right));

const half = (n: number): number => Math.floor(n / 2);
const odd = (n: number): boolean => n % 2 === 1;
/** The largest power of two below `n`, which is at least 2. */
function split(n: number): number {
  let power = 1;
  while (power * 2 < n) power *= 2;
  return power;
}
const isPower = (n: number): boolean => n === 1 || (n > 1 && split(n) * 2 === n);

/** One step on the way from a leaf to the root. */
export interface Step {
  sibling: Bytes;
  side: 'left' | 'right';
  hash: Bytes;
}

/**
 * Walks an inclusion proof (RFC 9162 section 2.1.3.2) and tells each step. `root` is where the hashes lead; `undefined` when
 * the proof is too short or too long for that place in a tree of that size.
 */
export async function walk(leaf: Bytes, index: number, size: number, path: Bytes[]): Promise<{ steps: Step[]; root: Bytes | undefined }> {
  const steps: Step[] = [];
  if (index < 0 || index >= size) return { steps, root: undefined };
  let [at, last, hash] = [index, size - 1, leaf];
  for (const sibling of path) {
    if (last === 0) return { steps, root: undefined };
    const side = odd(at) || at === last ? 'left' : 'right';
    if (side === 'left') {
      hash = await nodeHash(sibling, hash);
      while (!odd(at) && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      hash = await nodeHash(hash, sibling);
    }
    steps.push({ sibling, side, hash });
    [at, last] = [half(at), half(last)];
  }
  return { steps, root: last === 0 ? hash : undefined };
}

/** Checks that the tree of `size` leaves begins with that of `old` leaves (RFC 9162 section 2.1.4.2). */
export async function consistent(old: number, oldRoot: Bytes, size: number, root: Bytes, path: Bytes[]): Promise<boolean> {
  if (old < 1 || old > size) return false;
  if (old === size) return path.length === 0 && same(oldRoot, root);
  let [at, last] = [old - 1, size - 1];
  while (odd(at)) [at, last] = [half(at), half(last)];
  const [seed, ...rest] = isPower(old) ? [oldRoot, ...path] : path;
  if (seed === undefined) return false;
  let [oldHash, newHash] = [seed, seed];
  for (const sibling of rest) {
    if (last === 0) return false;
    if (odd(at) || at === last) {
      oldHash = await nodeHash(sibling, oldHash);
      newHash = await nodeHash(sibling, newHash);
      while (!odd(at) && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      newHash = await nodeHash(newHash, sibling);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && same(oldHash, oldRoot) && same(newHash, root);
}

/** The log has no such tile: it is smaller than that. */
export class NoTile extends Error {
  override readonly name = 'NoTile';
}

/** Reads hashes of a tile (C2SP tlog-tiles), as many as `width` says; throws `NoTile` when the log is smaller. */
export type ReadTile = (level: number, index: number, width: number) => Promise<Bytes[]>;

async function fold(hashes: Bytes[]): Promise<Bytes> {
  const [first] = hashes;
  if (first === undefined) throw new Error('a tile holds fewer hashes than it should');
  if (hashes.length === 1) return first;
  return nodeHash(await fold(hashes.slice(0, hashes.length / 2)), await fold(hashes.slice(hashes.length / 2)));
}

/** The hash of leaves `from` to `to` of a tree of `size`, made from its tiles. */
async function range(from: number, to: number, size: number, read: ReadTile): Promise<Bytes> {
  const count = to - from;
  if (!isPower(count)) {
    const middle = from + split(count);
    return nodeHash(await range(from, middle, size, read), await range(middle, to, size, read));
  }
  const height = Math.round(Math.log2(count));
  const level = Math.floor(height / 8);
  const unit = 256 ** level;
  const first = from / unit;
  const index = Math.floor(first / 256);
  const width = Math.min(256, Math.floor(size / unit) - index * 256);
  const hashes = await read(level, index, width);
  const offset = first % 256;
  const wanted = 2 ** (height % 8);
  if (hashes.length < offset + wanted) throw new Error('a tile holds fewer hashes than it should');
  return fold(hashes.slice(offset, offset + wanted));
}

/** Makes the proof that the tree of `size` leaves begins with that of `old`, from tiles (RFC 6962 section 2.1.2). */
export async function proveConsistency(old: number, size: number, read: ReadTile): Promise<Bytes[]> {
  const path: Bytes[] = [];
  if (old < 1 || old >= size) return path;
  let [from, to, known] = [0, size, true];
  while (old !== to) {
    const middle = from + split(to - from);
    if (old <= middle) {
      path.push(await range(middle, to, size, read));
      to = middle;
    } else {
      path.push(await range(from, middle, size, read));
      from = middle;
      known = false;
    }
  }
  if (!known) path.push(await range(from, to, size, read));
  return path.reverse();
}

/** Where a tile stands below `/audit/tile/`, without its level: `x001/234`, `000.p/56`. */
export function tilePath(index: number, width: number): string {
  const groups = [String(index % 1000).padStart(3, '0')];
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000))
    groups.unshift(`x${String(rest % 1000).padStart(3, '0')}`);
  return groups.join('/') + (width < 256 ? `.p/${width}` : '');
}
