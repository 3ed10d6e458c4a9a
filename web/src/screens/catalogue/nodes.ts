import type { Schemas } from '~/api/client';

/** More names than this are searched, not looked over. */
export const MANY = 12;

/** All labels of a node, its name and its plain facts among them, as the server makes them. */
export function labelsOfNode(node: Pick<Schemas['Node'], 'name' | 'labels' | 'facts'>): Record<string, string> {
  const facts = Object.entries(node.facts as Record<string, unknown>).flatMap(([key, value]) =>
    typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? [[`fact/${key}`, String(value)]] : [],
  );
  return { ...Object.fromEntries(facts), ...node.labels, name: node.name };
}

/** Labels that tell nodes apart, with how many have each value: `role: web (3), db (1)`. */
export function chips(nodes: readonly Record<string, string>[]): [string, [string, number][]][] {
  const counts = new Map<string, Map<string, number>>();
  for (const labels of nodes)
    for (const [key, value] of Object.entries(labels)) {
      if (key === 'name' || key.startsWith('fact/')) continue;
      const values = counts.get(key) ?? new Map<string, number>();
      counts.set(key, values.set(value, (values.get(value) ?? 0) + 1));
    }
  return [...counts]
    .filter(([, values]) => values.size <= 12 && !(values.size === 1 && [...values.values()][0] === nodes.length))
    .sort(([a], [b]) => a.localeCompare(b))
    .slice(0, 8)
    .map(([key, values]) => [key, [...values].sort(([a], [b]) => a.localeCompare(b))]);
}
