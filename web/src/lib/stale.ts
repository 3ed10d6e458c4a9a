import type { Query } from '@tanstack/react-query';
import type { Schemas } from '~/api/client';

type SynodEvent = Schemas['Event'];

/** Reads that an event makes stale: those below a path, or of them only what is read of one run, or only lists. */
interface Stale {
  path: string;
  of?: { run: string } | 'lists';
}

/** Which reads events of a sort make stale; a path covers those below it. */
const STALE: [RegExp, string[]][] = [
  [/^synod\.run\./, ['/api/v1/runs', '/api/v1/overview', '/api/v1/tasks']],
  [/^synod\.approval\./, ['/api/v1/runs']],
  [/^synod\.task\./, ['/api/v1/runs', '/api/v1/tasks']],
  [/^synod\.node\./, ['/api/v1/nodes', '/api/v1/trust', '/api/v1/join-tokens', '/api/v1/overview']],
  [/^synod\.object\./, ['/api/v1/objects', '/api/v1/access', '/api/v1/auth/whoami']],
  [/^synod\.user\./, ['/api/v1/users', '/api/v1/access', '/api/v1/auth']],
  [/^synod\.trust\./, ['/api/v1/trust', '/api/v1/runs']],
  [/^synod\.session\./, ['/api/v1/auth/sessions']],
  [/^synod\.join_token\./, ['/api/v1/join-tokens']],
  [/^synod\.api_key\./, ['/api/v1/api-keys']],
];

/** What an event makes stale. One about a run leaves the pages of other runs as they are. */
export function staleBy({ type, run }: Pick<SynodEvent, 'type' | 'run'>): Stale[] {
  const paths = STALE.flatMap(([kind, some]) => (kind.test(type) ? some : []));
  return paths.flatMap((path): Stale[] =>
    run && (path === '/api/v1/runs' || path === '/api/v1/tasks')
      ? [
          { path, of: { run } },
          { path, of: 'lists' },
        ]
      : [{ path }],
  );
}

/** Whether a read is among what is stale. */
export function isStale({ path: prefix, of }: Stale, { queryKey }: Pick<Query, 'queryKey'>): boolean {
  const [, path, options] = queryKey as [unknown, unknown, { params?: { path?: { id?: unknown } } } | undefined];
  if (typeof path !== 'string' || (path !== prefix && !path.startsWith(`${prefix}/`))) return false;
  if (of === undefined) return true;
  const id = options?.params?.path?.id;
  if (of === 'lists' || typeof id !== 'string') return of === 'lists' && id === undefined;
  // A task's id begins with its run's.
  return id === of.run || id.startsWith(`${of.run}.`);
}

/** Events of a moment cost one read. */
const MOMENT = 250;
/** Lists, of which a long rollout would have each made anew all the time, are read so often at most. */
const PACE = 2000;

/** Gathers what events make stale and has it read anew: one's own run at once, lists of many things at a pace. */
export class Gatherer {
  private readonly due = new Map<string, number>();
  private readonly waiting = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(private readonly renew: (about: (query: Query) => boolean) => void) {}

  take(event: Pick<SynodEvent, 'type' | 'run'>): void {
    for (const stale of staleBy(event)) {
      this.later(JSON.stringify(stale), typeof stale.of === 'object' ? 0 : PACE, (query) => isStale(stale, query));
    }
  }

  /** Forgets what it waits for. */
  stop(): void {
    for (const timer of this.waiting.values()) clearTimeout(timer);
    this.waiting.clear();
    this.due.clear();
  }

  private later(what: string, pace: number, about: (query: Query) => boolean): void {
    if (this.waiting.has(what)) return;
    const wait = Math.max(MOMENT, (this.due.get(what) ?? 0) - Date.now());
    const timer = setTimeout(() => {
      this.waiting.delete(what);
      if (pace > 0) this.due.set(what, Date.now() + pace);
      this.renew(about);
    }, wait);
    this.waiting.set(what, timer);
  }
}
