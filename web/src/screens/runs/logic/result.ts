import { canonical, fromBase64, hex, pae, sha256 } from './canonical';

/** What a node says about a task that ended. */
export interface ResultStatement {
  run: string;
  digest: string;
  task: number;
  node: { id: string; name: string };
  phase: string;
  exitCode?: number;
  outputDigest?: string;
  startedAt?: string;
  finishedAt: string;
}

/** A result as a bundle holds it. */
export interface SignedResult {
  envelope: { payloadType: string; payload: string; signatures: { keyid: string; sig: string }[] };
  spki: string;
}

/** What a node's key vouches for, and whether the signature is that key's. */
export interface Judged {
  statement: ResultStatement;
  key: string;
  /** `undefined` where this browser does not know the scheme. */
  verifies: boolean | undefined;
}

const RESULT = 'application/vnd.synod.result+json';

/** The result a node signed for one of a run's tasks, judged here; `undefined` when there is none. */
export async function findResult(
  results: readonly SignedResult[],
  run: { id: string; digest: string },
  task: number,
  node: { id: string },
): Promise<Judged | undefined> {
  for (const result of results) {
    const payload = fromBase64(result.envelope.payload);
    const statement = JSON.parse(new TextDecoder().decode(payload)) as ResultStatement;
    if (statement.node.id !== node.id || statement.task !== task) continue;
    const [signature] = result.envelope.signatures;
    const spki = fromBase64(result.spki);
    const key = `sha256:${hex(await sha256(spki))}`;
    const about = statement.run === run.id && statement.digest === run.digest && result.envelope.payloadType === RESULT;
    const sound = signature !== undefined && signature.keyid === key && canonical(statement) === new TextDecoder().decode(payload);
    const verifies = about && sound ? await verify(spki, fromBase64(signature.sig), pae(RESULT, payload)) : false;
    return { statement, key, verifies };
  }
  return undefined;
}

type Bytes = Uint8Array<ArrayBuffer>;

/** The length of an Ed25519 key in this form; those on P-256 are longer. */
const ED25519 = 44;

/** Whether a signature is by the key: ECDSA P-256 with SHA-256 in DER, or Ed25519. */
export async function verify(spki: Bytes, signature: Bytes, signed: Bytes): Promise<boolean | undefined> {
  try {
    if (spki.length === ED25519) {
      const key = await crypto.subtle.importKey('spki', spki, { name: 'Ed25519' }, false, ['verify']);
      return await crypto.subtle.verify({ name: 'Ed25519' }, key, signature, signed);
    }
    const key = await crypto.subtle.importKey('spki', spki, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['verify']);
    const raw = fromDer(signature);
    return raw !== undefined && (await crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key, raw, signed));
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'NotSupportedError') return undefined;
    return false;
  }
}

/** The two numbers of an ECDSA signature side by side, 32 bytes each, as WebCrypto takes them. */
export function fromDer(der: Uint8Array): Bytes | undefined {
  if (der[0] !== 0x30 || der[1] !== der.length - 2) return undefined;
  const raw = new Uint8Array(64);
  let at = 2;
  for (const end of [32, 64]) {
    const length = der[at + 1] ?? 0;
    if (der[at] !== 0x02 || length === 0 || at + 2 + length > der.length) return undefined;
    let number = der.subarray(at + 2, at + 2 + length);
    while (number.length > 1 && number[0] === 0) number = number.subarray(1);
    if (number.length > 32) return undefined;
    raw.set(number, end - number.length);
    at += 2 + length;
  }
  return at === der.length ? raw : undefined;
}
