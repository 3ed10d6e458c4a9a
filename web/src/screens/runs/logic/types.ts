import type { Schemas } from '~/api/client';

export type Run = Schemas['Run'];
export type RunSummary = Schemas['RunSummary'];
export type Manifest = Schemas['Manifest'];
export type Step = Schemas['Step'];
export type Decision = Schemas['Decision'];
export type TaskCounts = Schemas['TaskCounts'];
export type Comparison = Schemas['Comparison'];
export type RunPlan = Schemas['RunPlan'];

/** A node of a run as the grid and the list need it. */
export interface RunNode {
  id: string;
  name: string;
  phase?: string | null;
  exitCode?: number | null;
}

/** Where a run stands, in the run's own words. */
export type RunPhase = 'pending' | 'approved' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'rejected' | 'expired';
export const RUN_PHASES: RunPhase[] = ['pending', 'approved', 'running', 'succeeded', 'failed', 'cancelled', 'rejected', 'expired'];
export const OPEN_PHASES = 'pending,approved,running';
export const ENDED_PHASES = 'succeeded,failed,cancelled,rejected,expired';

/** The phases of a task, the one that asks for most attention first. */
export const TASK_PHASES = [
  'failed',
  'refused',
  'lost',
  'timed_out',
  'started',
  'assigned',
  'waiting',
  'succeeded',
  'skipped',
  'cancelled',
] as const;
export type TaskPhase = (typeof TASK_PHASES)[number];

/** Where a run stands. */
export const phaseOf = (run: { phase: string }): RunPhase => run.phase as RunPhase;

/** Whether nothing more happens to a run. */
export const hasEnded = (run: { phase: string }): boolean => !['pending', 'approved', 'running'].includes(run.phase);
