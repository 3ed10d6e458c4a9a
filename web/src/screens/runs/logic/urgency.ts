import type { RunSummary } from './types';

const HOUR = 3_600_000;

/** Why a run should be looked at before others. */
export type Urgency = 'break-glass' | 'soon' | 'ordinary';

/** How pressing it is to decide on a run. */
export function urgency(run: RunSummary, now = Date.now()): Urgency {
  if (run.breakGlass) return 'break-glass';
  return new Date(run.approveBy).getTime() - now < HOUR ? 'soon' : 'ordinary';
}

const RANK: Record<Urgency, number> = { 'break-glass': 0, soon: 1, ordinary: 2 };
const time = (text: string | null | undefined): number => (text ? new Date(text).getTime() : 0);

/** The most pressing first: break-glass, what is about to expire, then what expires or starts first. */
export function byUrgency(runs: readonly RunSummary[], now = Date.now()): RunSummary[] {
  return [...runs].sort(
    (a, b) =>
      RANK[urgency(a, now)] - RANK[urgency(b, now)] ||
      time(a.approveBy) - time(b.approveBy) ||
      time(a.notBefore) - time(b.notBefore) ||
      time(a.createdAt) - time(b.createdAt),
  );
}
