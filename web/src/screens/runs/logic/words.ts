import type { Schemas } from '~/api/client';
import { visibleLine } from '~/lib/text';
import type { Manifest, TaskCounts } from './types';

/** `1 node`, `3 nodes`, `3 batches` */
export const count = (n: number, what: string): string =>
  `${n.toLocaleString('en')} ${what}${n === 1 ? '' : what.endsWith('ch') ? 'es' : 's'}`;

/** How a run spreads over its nodes, in words. */
export function strategy(strategy: Manifest['strategy']): string {
  const size = strategy.size ?? 1;
  const shape = {
    oneThenRest: 'one node first, then the rest',
    allAtOnce: 'all at once',
    rolling: `rolling, ${size} at a time`,
    exponential: `${size} first, then twice as many each time`,
  }[strategy.type];
  const stops = String(strategy.maxFailures) === '0' ? 'stops at the first failure' : `stops when more than ${strategy.maxFailures} failed`;
  const pause = /^0(ms|s)?$/.test(strategy.pause) ? [] : [`pause of ${strategy.pause} between batches`];
  const gate = strategy.gate === 'manual' ? ['somebody lets each further batch go'] : [];
  return [shape, stops, ...pause, ...gate].join('; ');
}

/** Sizes of batches, equal ones taken together: `1, 3 × 5`. */
export function batches(sizes: readonly number[]): string {
  const words: string[] = [];
  for (let n = 0; n < sizes.length;) {
    let same = 1;
    while (sizes[n + same] === sizes[n]) same++;
    words.push(same > 1 ? `${same} × ${sizes[n]}` : String(sizes[n]));
    n += same;
  }
  return words.join(', ') || 'none';
}

/** What a step's outcome must look like, in words. */
export function expectation(expect: Schemas['Expect'], goesOn: boolean): string {
  const words = [`exit code ${expect.exitCode ?? 0}`];
  for (const [name, check] of [
    ['standard output', expect.stdout],
    ['standard error', expect.stderr],
  ] as const) {
    if (!check) continue;
    if (check.contains) words.push(`${name} with “${visibleLine(check.contains)}”`);
    if (check.notContains) words.push(`${name} without “${visibleLine(check.notContains)}”`);
    if (check.matches) words.push(`${name} matching “${visibleLine(check.matches)}”`);
    if (check.notMatches) words.push(`${name} not matching “${visibleLine(check.notMatches)}”`);
  }
  const otherwise =
    expect.onMismatch === 'warn' ? 'otherwise it warns' : goesOn ? 'otherwise it fails' : 'otherwise it fails and the rollout stops';
  return `${words.join(', ')}; ${otherwise}`;
}

const PHASES: [keyof TaskCounts, string][] = [
  ['waiting', 'waiting'],
  ['assigned', 'assigned'],
  ['started', 'running'],
  ['succeeded', 'succeeded'],
  ['failed', 'failed'],
  ['timedOut', 'timed out'],
  ['lost', 'lost'],
  ['refused', 'refused'],
  ['skipped', 'skipped'],
  ['cancelled', 'cancelled'],
];

/** Tasks by phase: those there are, as `phase` of a task, words and number. */
export function tally(tasks: TaskCounts): { phase: string; label: string; n: number }[] {
  return PHASES.map(([name, label]) => ({ phase: name === 'timedOut' ? 'timed_out' : name, label, n: tasks[name] })).filter(
    ({ n }) => n > 0,
  );
}

/** Tasks by phase in words: `3 succeeded, 1 failed`. */
export const counts = (tasks: TaskCounts): string =>
  tally(tasks)
    .map(({ n, label }) => `${n.toLocaleString('en')} ${label}`)
    .join(', ') || 'none yet';

/** How many people can call a run off. */
export const rejections = (n: number): string => (n === 1 ? '1 rejection ends it' : `${n} rejections end it`);

/** How many of whom a template asks to agree, and on what conditions. */
export function approval({ rules, rejections: most = 1, requesterMayApprove, authorMayApprove }: Manifest['approval']): string {
  return [
    rules.length === 0 ? 'nobody’s' : rules.map(ruleWords).join(' and '),
    rejections(most),
    `the requester ${requesterMayApprove ? 'may' : 'may not'} approve`,
    `the author ${authorMayApprove === false ? 'may not' : 'may'}`,
  ].join('; ');
}

function ruleWords({ count, from }: Manifest['approval']['rules'][number]): string {
  if ('role' in from) return `${count} with role ${from.role}`;
  return 'group' in from ? `${count} of group ${from.group}` : `user ${from.user}`;
}

/** Where a run stands that was started by break-glass. */
export const RATIFICATION: Record<string, string> = {
  unratified: 'not ratified yet',
  ratified: 'ratified after the fact',
  incident: 'closed by an incident',
};
