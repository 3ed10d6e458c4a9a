import { canonical } from './canonical';
import { outline } from '~/lib/text';
import type { Manifest } from './types';
import { approval, strategy } from './words';

/** One thing that two runs do not have in common. */
export interface Difference {
  path: string;
  before: string;
  after: string;
}

/** What differs between any two runs says nothing. */
const OWN = new Set(['run', 'createdAt', 'approveBy', 'expiresAt', 'notBefore', 'nonce', 'nodes', 'secrets']);
const NOTHING = 'nothing';

/** What differs between two manifests, by path. */
export function differences(before: Manifest, after: Manifest): Difference[] {
  const found: Difference[] = [];
  walk(before, after, '', found);
  const own = found.filter(({ path }) => !OWN.has(first(path)) && path !== 'template.digest');
  return toldWhole(
    toldWhole(own, 'strategy', strategy(before.strategy), strategy(after.strategy)),
    'approval',
    approval(before.approval),
    approval(after.approval),
  );
}

const first = (path: string): string => path.split(/[.[]/)[0] ?? '';

/** What has words of its own is told by these; in its parts only where the words are the same. */
function toldWhole(found: Difference[], path: string, before: string, after: string): Difference[] {
  const at = found.findIndex((one) => first(one.path) === path);
  if (at < 0 || before === after) return found;
  return [...found.slice(0, at), { path, before, after }, ...found.slice(at).filter((one) => first(one.path) !== path)];
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

function walk(before: unknown, after: unknown, path: string, found: Difference[]): void {
  if (isObject(before) && isObject(after)) {
    for (const name of [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()) {
      walk(before[name], after[name], path === '' ? name : `${path}.${name}`, found);
    }
  } else if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
    before.forEach((value, n) => walk(value, after[n], `${path}[${n}]`, found));
  } else if (canonical(before ?? null) !== canonical(after ?? null)) {
    found.push({ path, before: word(before), after: word(after) });
  }
}

const word = (value: unknown): string => (value === undefined || value === null ? NOTHING : outline(value));

/** What people call the parts of a manifest, as the facts of a run do. */
const NAMES: Record<string, string> = {
  requester: 'Who',
  reason: 'Why',
  namespace: 'Namespace',
  inputs: 'Input',
  template: 'Template',
  strategy: 'How',
  approval: 'Approval',
  steps: 'Steps',
  timeout: 'Time a node may take',
  startDeadline: 'Time in which a node begins',
  runAs: 'Runs as',
  breakGlass: 'Break-glass',
};

/** Where a difference is, in words: `Input service`, `How: pause`, `Step 2: run`. */
export function placeWords(path: string): string {
  const step = /^steps\[(\d+)\]\.?(.*)$/.exec(path);
  if (step) return `Step ${Number(step[1]) + 1}${step[2] ? `: ${spaced(step[2])}` : ''}`;
  const [first = '', ...rest] = path.split('.');
  const name = NAMES[first];
  if (name === undefined) return spaced(path);
  if (rest.length === 0) return name;
  return first === 'inputs' ? `${name} ${rest.join('.')}` : `${name}: ${spaced(rest.join(' '))}`;
}

const spaced = (name: string): string => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).replaceAll('.', ' ');

/** Which nodes only one of two runs has, by identity; names in order. */
export function nodeDifferences(
  before: readonly { id: string; name: string }[],
  after: readonly { id: string; name: string }[],
): { gone: string[]; added: string[] } {
  const without = (of: readonly { id: string; name: string }[], others: readonly { id: string }[]): string[] => {
    const known = new Set(others.map(({ id }) => id));
    return of.filter(({ id }) => !known.has(id)).map(({ name }) => name);
  };
  return { gone: without(before, after), added: without(after, before) };
}

/** Nodes that both runs have and that did not end alike. */
export function outcomeDifferences(
  before: readonly { id: string; name: string; phase?: string | null; exitCode?: number | null }[],
  after: readonly { id: string; name: string; phase?: string | null; exitCode?: number | null }[],
): { name: string; before: string; after: string; exitBefore?: number | null; exitAfter?: number | null }[] {
  const known = new Map(before.map((node) => [node.id, node]));
  return after.flatMap((node) => {
    const earlier = known.get(node.id);
    if (earlier === undefined || ((earlier.phase ?? '') === (node.phase ?? '') && (earlier.exitCode ?? null) === (node.exitCode ?? null)))
      return [];
    return [
      {
        name: node.name,
        before: earlier.phase ?? 'waiting',
        after: node.phase ?? 'waiting',
        exitBefore: earlier.exitCode,
        exitAfter: node.exitCode,
      },
    ];
  });
}
