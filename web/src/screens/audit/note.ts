import { type Bytes, fromBase64, hex, joined, same, sha256, text } from './bytes';

/** The head of a log as a checkpoint says it (C2SP tlog-checkpoint). */
export interface Head {
  origin: string;
  size: number;
  root: Bytes;
}

/** A signed note taken apart (C2SP signed-note). Nothing is verified yet. */
export interface Note {
  /** What is signed, with its last newline. */
  text: string;
  signatures: { name: string; id: string; signature: Bytes }[];
}

export interface VerifierKey {
  name: string;
  id: string;
  key: Bytes;
}

const ED25519 = 1;

/** Reads `NAME+ID+KEY`; the id must belong to name and key. */
export async function readKey(line: string): Promise<VerifierKey> {
  const parts = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(line.trimEnd());
  if (parts === null) throw new Error('the log’s key is not written NAME+ID+KEY');
  const [, name = '', id = '', code = ''] = parts;
  const bytes = fromBase64(code);
  if (bytes[0] !== ED25519 || bytes.length !== 33) throw new Error('the log’s key is not an Ed25519 key');
  const hash = await sha256(joined(text(`${name}\n`), bytes));
  if (hex(hash.slice(0, 4)) !== id) throw new Error(`the id ${id} does not belong to this name and key: a part was altered`);
  return { name, id, key: bytes.slice(1) };
}

export function readNote(note: string): Note {
  const at = note.lastIndexOf('\n\n');
  if (at < 0 || !note.endsWith('\n')) throw new Error('the checkpoint has no signatures');
  const signatures = note
    .slice(at + 2, -1)
    .split('\n')
    .map((line) => {
      const parts = /^\u2014 (\S+) (\S+)$/.exec(line);
      if (parts === null) throw new Error('a signature line of the checkpoint cannot be read');
      const bytes = fromBase64(parts[2] ?? '');
      return { name: parts[1] ?? '', id: hex(bytes.slice(0, 4)), signature: bytes.slice(4) };
    });
  return { text: note.slice(0, at + 1), signatures };
}

export function readHead(signed: string): Head {
  const [origin = '', size = '', root = ''] = signed.split('\n');
  if (origin === '' || !/^(0|[1-9][0-9]{0,15})$/.test(size)) throw new Error('the checkpoint does not say which log and how large');
  const bytes = fromBase64(root);
  if (bytes.length !== 32) throw new Error('the checkpoint’s root hash does not have 32 bytes');
  return { origin, size: Number(size), root: bytes };
}

/** What checking a signature came to; `unsupported` where the browser knows no Ed25519. */
export type Verdict = 'good' | 'bad' | 'unsigned' | 'unsupported';

/** Checks that `key` signed the note, by the browser's own cryptography. */
export async function verify(note: Note, key: VerifierKey): Promise<Verdict> {
  const own = note.signatures.filter((one) => one.name === key.name && one.id === key.id);
  if (own.length !== 1 || own[0] === undefined) return 'unsigned';
  let imported: CryptoKey;
  try {
    imported = await crypto.subtle.importKey('raw', key.key, { name: 'Ed25519' }, false, ['verify']);
  } catch {
    return 'unsupported';
  }
  return (await crypto.subtle.verify({ name: 'Ed25519' }, imported, own[0].signature, text(note.text))) ? 'good' : 'bad';
}

/** Whether two heads are one. */
export const sameHead = (a: Head, b: Head): boolean => a.origin === b.origin && a.size === b.size && same(a.root, b.root);
