import type { Schemas } from '~/api/client';
import { written } from './labels';

type Node = Omit<Schemas['Node'], 'facts'> & { facts: object };

/** The states a list of nodes can be kept to. */
export const SHOW = [
  { value: 'connected', label: 'Connected' },
  { value: 'away', label: 'Not connected' },
  { value: 'alarm', label: 'With an alarm' },
  { value: 'lenient', label: 'Not enforcing' },
];

const STATES: Record<string, (node: Node) => boolean> = {
  connected: (node) => node.connected,
  away: (node) => !node.connected,
  alarm: (node) => (node.trust?.alarm ?? '') !== '',
  lenient: (node) => node.trust?.mode !== 'enforce',
};

/** Whether a node is in this state and every word of the search is in its name, labels or facts. */
export function fits(node: Node, search: string, show: string): boolean {
  if (!(STATES[show]?.(node) ?? true)) return false;
  const words = search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  if (words.length === 0) return true;
  const text = [
    node.name,
    node.version,
    ...Object.entries(node.labels).map(written),
    ...flat(node.facts).map(([path, value]) => `${path}=${value}`),
  ]
    .join('\n')
    .toLowerCase();
  return words.every((word) => text.includes(word));
}

/** A document as its leaves: `disk.root.free`, with what is there as text. */
export function flat(value: unknown, path = ''): [string, string][] {
  if (typeof value !== 'object' || value === null) return [[path, String(value)]];
  const entries = Object.entries(value);
  if (entries.length === 0) return path === '' ? [] : [[path, Array.isArray(value) ? 'none' : 'empty']];
  return entries.flatMap(([key, inner]) => flat(inner, path === '' ? key : `${path}.${key}`));
}
