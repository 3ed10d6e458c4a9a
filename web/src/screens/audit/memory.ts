import { base } from '~/lib/base';

/** The last head of the log that this browser saw and checked. */
export interface Remembered {
  key: string;
  note: string;
  at: string;
}

const PLACE = `synod.audit.head:${base}`;

/** What is remembered; nothing when there is none, or what is there cannot be read. */
export function recall(): Remembered | undefined {
  try {
    const found = JSON.parse(localStorage.getItem(PLACE) ?? 'null') as Partial<Remembered> | null;
    return found?.key && found.note && found.at ? { key: found.key, note: found.note, at: found.at } : undefined;
  } catch {
    return undefined;
  }
}

export const remember = (head: Remembered): void => localStorage.setItem(PLACE, JSON.stringify(head));
export const forget = (): void => localStorage.removeItem(PLACE);
