/** The filters of the history, by the names the API has for them too. */
export type HistoryFilter = 'namespace' | 'template' | 'node' | 'phase' | 'since' | 'until' | 'run' | 'sort';

const SENT: HistoryFilter[] = ['namespace', 'template', 'node', 'phase', 'since', 'until', 'run', 'sort'];

export const SORTS = [
  { value: '', label: 'Newest first' },
  { value: 'created', label: 'Oldest first' },
  { value: 'node', label: 'Node, A to Z' },
  { value: '-node', label: 'Node, Z to A' },
  { value: 'phase', label: 'Phase' },
];

/** What the API is asked; nothing that is empty. */
export function asked(filters: Partial<Record<HistoryFilter, string>>): Partial<Record<HistoryFilter, string>> {
  return Object.fromEntries(SENT.flatMap((name) => (filters[name] ? [[name, filters[name]]] : [])));
}

/** Where the same list is downloaded: all of it, as far as one export goes. */
export function exported(filters: Partial<Record<HistoryFilter, string>>, format: 'csv' | 'json'): string {
  return `api/v1/tasks?${new URLSearchParams({ ...asked(filters), format, limit: '10000' }).toString()}`;
}
