import type { Schemas } from '~/api/client';
import { type Bytes, fromBase64, same, text } from './bytes';
import { canonical } from './canonical';
import type { Remembered } from './memory';
import { consistent, leafHash, NoTile, proveConsistency, type ReadTile, type Step, walk } from './merkle';
import { type Head, readHead, readKey, readNote, sameHead, type Verdict, verify } from './note';

/** How a head follows from the one that was seen before. */
export type Growth = 'first' | 'same' | 'grown' | 'older' | 'shrunk' | 'forked' | 'rewritten' | 'other';
/** The ones that must not be: the log is not what it was. */
export const WRONG: Growth[] = ['shrunk', 'forked', 'rewritten', 'other'];

export interface CheckedHead {
  head: Head;
  signature: Verdict;
  growth: Growth;
  /** The head it was compared with. */
  before: (Remembered & { size: number }) | undefined;
}

/**
 * Checks a signed head: its signature, and that the log still begins with what `before` said. A proof's head may be `older`
 * than what is remembered, when something was logged in between: then it is the remembered one that must have grown from it.
 */
export async function checkHead(note: string, keyLine: string, before: Remembered | undefined, read: ReadTile): Promise<CheckedHead> {
  const key = await readKey(keyLine);
  const signed = readNote(note);
  const head = readHead(signed.text);
  const signature = head.origin === key.name ? await verify(signed, key) : 'unsigned';
  if (before === undefined) return { head, signature, growth: 'first', before: undefined };
  const old = readHead(readNote(before.note).text);
  const growth = await grown(old, head, before.key === keyLine, read);
  return { head, signature, growth, before: { ...before, size: old.size } };
}

async function grown(old: Head, head: Head, sameKey: boolean, read: ReadTile): Promise<Growth> {
  if (!sameKey || old.origin !== head.origin) return 'other';
  if (sameHead(old, head)) return 'same';
  if (old.size === head.size) return 'forked';
  const [less, more] = old.size < head.size ? [old, head] : [head, old];
  if (less.size === 0) return less === old ? 'grown' : 'shrunk';
  // Tiles of a size that the log no longer has cannot be read: then it has shrunk.
  const path = await proveConsistency(less.size, more.size, read).catch((error: unknown) => {
    if (less === old || !(error instanceof NoTile)) throw error;
    return undefined;
  });
  if (path === undefined) return 'shrunk';
  if (!(await consistent(less.size, less.root, more.size, more.root, path))) return 'rewritten';
  return less === old ? 'grown' : 'older';
}

export interface CheckedProof {
  bytes: string;
  leaf: Bytes;
  steps: Step[];
  /** Where the hashes lead. */
  root: Bytes | undefined;
  /** Whether that is the root that the head says. */
  leads: boolean;
  /** Whether the event and the leaf are those that were asked for. */
  asked: boolean;
  head: CheckedHead;
}

/** Checks that an event is in the log: each hash is computed here. */
export async function checkProof(
  position: number,
  proof: Schemas['AuditProof'],
  keyLine: string,
  before: Remembered | undefined,
  read: ReadTile,
): Promise<CheckedProof> {
  const head = await checkHead(proof.checkpoint, keyLine, before, read);
  const bytes = canonical(proof.event);
  const leaf = await leafHash(text(bytes));
  const { steps, root } = await walk(leaf, proof.index, head.head.size, proof.proof.map(fromBase64));
  const asked = proof.event.position === position && proof.index === position - 1;
  return { bytes, leaf, steps, root, leads: root !== undefined && same(root, head.head.root), asked, head };
}

/** Whether everything that can be checked holds. */
export const holds = (proof: CheckedProof): boolean => proof.asked && proof.leads && headHolds(proof.head);
export const headHolds = (head: CheckedHead): boolean =>
  (head.signature === 'good' || head.signature === 'unsupported') && !WRONG.includes(head.growth);
