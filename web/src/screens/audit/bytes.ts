/** Bytes as the Web's cryptography takes them. */
export type Bytes = Uint8Array<ArrayBuffer>;

const utf8 = new TextEncoder();
export const text = (value: string): Bytes => utf8.encode(value);

export const hex = (bytes: Bytes): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
export const toBase64 = (bytes: Bytes): string => btoa(String.fromCharCode(...bytes));

/** Strict: what is not exactly the base64 of what it says is refused. */
export function fromBase64(value: string): Bytes {
  let bytes: Bytes;
  try {
    bytes = Uint8Array.from(atob(value), (char) => char.charCodeAt(0));
  } catch {
    throw new Error(`“${value}” is not base64`);
  }
  if (toBase64(bytes) !== value) throw new Error(`“${value}” is not how base64 is written`);
  return bytes;
}

export function joined(...parts: Bytes[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export const same = (a: Bytes, b: Bytes): boolean => a.length === b.length && a.every((byte, n) => byte === b[n]);

export const sha256 = async (bytes: Bytes): Promise<Bytes> => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
