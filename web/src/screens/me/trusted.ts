/** A key as trust roots write it. */
export type RootKey = string | { credentialId: string; publicKey: string };

/** The keys a trust root's document has for somebody; none when it has another form than we know. */
export function keysOf(document: unknown, user: string): RootKey[] {
  const principals = (document as { principals?: unknown } | null | undefined)?.principals;
  if (!Array.isArray(principals)) return [];
  const person = (principals as { name?: unknown; keys?: unknown }[]).find((one) => one.name === user);
  return Array.isArray(person?.keys) ? (person.keys as RootKey[]) : [];
}

/** What of an OpenSSH line is the key: the kind and the base64, without the comment. */
const essence = (line: string): string => line.trim().split(/\s+/).slice(0, 2).join(' ');

/** Whether a line of a `.pub` file is among the keys. */
export const hasSsh = (keys: RootKey[], line: string): boolean =>
  keys.some((key) => typeof key === 'string' && essence(key) === essence(line));

/** Whether a passkey is among the keys. */
export const hasPasskey = (keys: RootKey[], passkey: { credentialId: string; publicKey: string }): boolean =>
  keys.some((key) => typeof key === 'object' && key.credentialId === passkey.credentialId && key.publicKey === passkey.publicKey);
