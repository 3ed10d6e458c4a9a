/** Letters and digits that are not mistaken for one another when read aloud or typed off: 32 of them, so five bits each. */
const LETTERS = 'abcdefghijkmnpqrstuvwxyz23456789';

/** A password of 80 random bits in four groups. */
export function randomPassword(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const letters = Array.from(bytes, (byte) => LETTERS[byte % LETTERS.length]);
  return [0, 4, 8, 12].map((at) => letters.slice(at, at + 4).join('')).join('-');
}
