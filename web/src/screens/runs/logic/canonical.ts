/** Canonical JSON (RFC 8785), digests and the tree over a run's nodes: what the browser checks by itself. */

/** The canonical text of a value that came as JSON: members sorted by UTF-16, no spaces, numbers as JavaScript writes them. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`);
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value);
}

type Bytes = Uint8Array<ArrayBuffer>;

export const bytesOf = (text: string): Bytes => new TextEncoder().encode(text);

export const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

export const sha256 = async (bytes: Bytes): Promise<Bytes> => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));

/** `sha256:…` of a document's canonical form. */
export const digest = async (value: unknown): Promise<string> => `sha256:${hex(await sha256(bytesOf(canonical(value))))}`;

/** Standard base64. */
export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

export const fromBase64 = (text: string): Bytes => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

/** Base64url without padding. */
export const toBase64Url = (bytes: Uint8Array): string => toBase64(bytes).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');

function joined(...parts: Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const LEAF = Uint8Array.of(0);
const INNER = Uint8Array.of(1);

/** The Merkle root (RFC 6962) over a run's nodes in rollout order, in hexadecimal. */
export async function nodesRoot(nodes: readonly { id: string; name: string }[]): Promise<string> {
  const leaves = nodes.map(({ id, name }) => sha256(joined(LEAF, bytesOf(canonical({ id, name })))));
  let level = await Promise.all(leaves);
  if (level.length === 0) return hex(await sha256(new Uint8Array(0)));
  // Pairing from the left and carrying an odd one up yields the same tree as splitting at powers of two.
  while (level.length > 1) {
    const next: Promise<Bytes>[] = [];
    for (let n = 0; n < level.length; n += 2) {
      const [left, right] = [level[n] as Bytes, level[n + 1]];
      next.push(right === undefined ? Promise.resolve(left) : sha256(joined(INNER, left, right)));
    }
    level = await Promise.all(next);
  }
  return hex(level[0] as Bytes);
}

/** What is signed of an envelope (DSSE): its type and its payload. */
export function pae(payloadType: string, payload: Uint8Array): Bytes {
  return joined(bytesOf(`DSSEv1 ${bytesOf(payloadType).length} ${payloadType} ${payload.length} `), payload);
}

/** A digest short enough to be compared by eye: `3f2a 91c0 77de`. */
export function shortDigest(text: string): string {
  const digits = text.replace(/^sha256:/, '').slice(0, 12);
  return digits.replace(/(.{4})(?=.)/g, '$1 ');
}
