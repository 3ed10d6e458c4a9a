import type { CheckedHead, Growth } from './check';
import type { Verdict } from './note';

/** How a check ended: it holds, it does not, or this browser cannot tell. */
export type Outcome = 'good' | 'bad' | 'unknown';

export const SIGNATURE: Record<Verdict, { outcome: Outcome; words: string }> = {
  good: { outcome: 'good', words: 'The signature is that of the log’s key.' },
  bad: { outcome: 'bad', words: 'The signature does not fit: this head was altered, or is not the log’s.' },
  unsigned: { outcome: 'bad', words: 'The head is not signed by the log’s key.' },
  unsupported: { outcome: 'unknown', words: 'This browser cannot check Ed25519 signatures. Use `synod audit verify`, or a newer browser.' },
};

const GROWTH: Record<Growth, { outcome: Outcome; words: (size: number) => string }> = {
  first: {
    outcome: 'unknown',
    words: () => 'This browser has not seen a head of this log before. It remembers this one, and the next is checked against it.',
  },
  same: { outcome: 'good', words: () => 'It is the head this browser saw last.' },
  grown: { outcome: 'good', words: (size) => `The log still begins with the ${size} events this browser saw last: proved from hashes.` },
  older: { outcome: 'good', words: (size) => `It is a beginning of the log of ${size} events this browser saw last: proved from hashes.` },
  shrunk: {
    outcome: 'bad',
    words: (size) =>
      `This browser saw a log of ${size} events, and the log is shorter now: events were lost. That is so after a backup was restored; otherwise somebody took them away.`,
  },
  forked: { outcome: 'bad', words: (size) => `This browser saw another log of the same ${size} events: there are two histories.` },
  rewritten: {
    outcome: 'bad',
    words: (size) => `The log does not begin with the ${size} events this browser saw: something before was changed.`,
  },
  other: { outcome: 'bad', words: () => 'It is not the log this browser saw here before: its name or its key is another.' },
};

/** What the growth of a head means, in words. */
export const growth = (head: CheckedHead): { outcome: Outcome; words: string } => {
  const { outcome, words } = GROWTH[head.growth];
  return { outcome, words: words(head.before?.size ?? 0) };
};
