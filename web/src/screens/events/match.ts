import type { SynodEvent } from '~/lib/live';

export type EventFilter = 'type' | 'subject' | 'actor' | 'namespace' | 'run' | 'since' | 'until';
const NAMES: EventFilter[] = ['type', 'subject', 'actor', 'namespace', 'run', 'since', 'until'];

/** What the API is asked; nothing that is empty. */
export const asked = (filters: Partial<Record<EventFilter, string>>): Partial<Record<EventFilter, string>> =>
  Object.fromEntries(NAMES.flatMap((name) => (filters[name] ? [[name, filters[name]]] : [])));

/** Whether an event that just came is one of those asked for: the same rules as the server's (a run by the beginning of its id). */
export function matches(event: SynodEvent, filters: Partial<Record<EventFilter, string>>): boolean {
  const { type, subject, actor, namespace, run, since, until } = asked(filters);
  const at = new Date(event.time).getTime();
  if (type !== undefined && (type.endsWith('*') ? !event.type.startsWith(type.slice(0, -1)) : event.type !== type)) return false;
  if (subject !== undefined && event.subject !== subject) return false;
  if (actor !== undefined && event.actor !== actor) return false;
  if (namespace !== undefined && event.namespace !== namespace) return false;
  if (run !== undefined && !event.run?.startsWith(run)) return false;
  if (since !== undefined && at < new Date(since).getTime()) return false;
  return until === undefined || at < new Date(until).getTime();
}

/** The newest events first, each once, and no more than `most`. */
export function merged(fresh: SynodEvent[], known: SynodEvent[], most: number): SynodEvent[] {
  const byPosition = new Map([...known, ...fresh].map((event) => [event.position, event]));
  return [...byPosition.values()].sort((a, b) => b.position - a.position).slice(0, most);
}
