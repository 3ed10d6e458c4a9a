import type { Schemas } from '~/api/client';

type Day = Schemas['Day'];

/** The phases of runs in the order in which they are stacked, with their colours in both themes. */
export const PHASES: { phase: string; color: string }[] = [
  { phase: 'succeeded', color: 'teal.6' },
  { phase: 'failed', color: 'red.6' },
  { phase: 'running', color: 'blue.6' },
  { phase: 'approved', color: 'cyan.6' },
  { phase: 'pending', color: 'yellow.6' },
  { phase: 'rejected', color: 'grape.6' },
  { phase: 'cancelled', color: 'gray.6' },
  { phase: 'expired', color: 'gray.4' },
];

/** Of the runs of a day that succeeded or failed, the part that succeeded in per cent; nothing without any. */
export function rate(day: Day): number | null {
  const [good, bad] = [day.phases['succeeded'] ?? 0, day.phases['failed'] ?? 0];
  return good + bad === 0 ? null : Math.round((1000 * good) / (good + bad)) / 10;
}

export const total = (day: Day): number => Object.values(day.phases).reduce((sum, count) => sum + count, 0);

/** The phases that occur, in their order; one that is not known comes last. */
export function occurring(days: Day[]): { phase: string; color: string }[] {
  const there = new Set(days.flatMap((day) => Object.keys(day.phases)));
  const known = PHASES.filter(({ phase }) => there.delete(phase));
  return [...known, ...[...there].sort().map((phase) => ({ phase, color: 'dark.3' }))];
}

/** `23 Nov`, of a day in UTC. */
const named = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', timeZone: 'UTC' });
export const dayName = (day: string): string => named.format(new Date(`${day}T00:00:00Z`));
