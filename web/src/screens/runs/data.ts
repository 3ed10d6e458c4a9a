import { queryOptions, useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { api, client, unwrap } from '~/api/client';
import { invalidate, queryClient } from '~/api/query';
import { useConnection, useEvents } from '~/lib/live';
import type { Run } from './logic/types';
import { NodeStore, taskChange } from './nodes/store';

const at = (id: string) => ({ params: { path: { id } } });

/** A run with everything about it. */
export const runOptions = (id: string) => api.queryOptions('get', '/api/v1/runs/{id}', at(id));

/** Takes a run as an answer to a change shows it, and has everything else about runs read anew. */
export function takeRun(run: Run): void {
  const key = runOptions(run.id).queryKey;
  const known = queryClient.getQueryData<Run>(key);
  // Such answers leave out what the run was compared with.
  queryClient.setQueryData(key, { ...run, comparison: run.comparison ?? known?.comparison });
  invalidate('/api/v1/runs', '/api/v1/events');
}

/**
 * A run's nodes. Which they are never changes; where their tasks stand does, and no event makes this stale, since there may be ten
 * thousand of them. Whoever shows phases reads them by `phasesOptions`.
 */
export const nodesOptions = (id: string) =>
  queryOptions({
    queryKey: ['run-nodes', id],
    queryFn: async ({ signal }) => (await unwrap(client.GET('/api/v1/runs/{id}/nodes', { ...at(id), signal }))).nodes,
    staleTime: Infinity,
  });

/** The same for those who show the phases: read anew whenever they begin to. */
export const phasesOptions = (id: string) => ({ ...nodesOptions(id), refetchOnMount: 'always' as const });

/**
 * Who has ratified a run so far. The key begins like that of every list of runs, so that events make it stale as well; who may not see
 * the events sees nobody.
 */
export const ratifiersOptions = (run: string) =>
  queryOptions({
    queryKey: ['get', '/api/v1/runs', { ratifiersOf: run }],
    queryFn: async ({ signal }) => {
      const query = { run, type: 'synod.approval.ratification_given', limit: 100 };
      const { items } = await unwrap(client.GET('/api/v1/events', { params: { query }, signal }));
      return items.map(({ actor }) => actor.replace(/^user:/, ''));
    },
  });

/** At most one drawing of the nodes in so many milliseconds, and one reading in twice that. */
const PACE = 1000;

/** The nodes of a run, kept up to date by the events about their tasks. */
export function useNodeStore(id: string): { store: NodeStore; error: unknown; loading: boolean; retry: () => void } {
  const [store] = useState(() => new NodeStore(PACE));
  const { data, error, isPending, refetch } = useQuery(phasesOptions(id));
  const again = useThrottled(() => void refetch(), 2 * PACE);
  const connection = useConnection();
  const was = useRef(connection);
  useEffect(() => {
    if (data !== undefined) store.load(data);
  }, [data, store]);
  useEffect(() => {
    // What happened while nobody listened.
    if (was.current === 'lost' && connection === 'live') again();
    was.current = connection;
  }, [connection, again]);
  useEvents((event) => {
    if (event.run !== id) return;
    const change = taskChange(event, id);
    if (change !== undefined) store.set(change.index, change.phase, change.exitCode);
    else if (event.type.startsWith('synod.run.')) again();
  });
  return { store, error, loading: isPending, retry: () => void refetch() };
}

/** Calls `act` at once and then at most once in `pace` milliseconds, the last time included. */
export function useThrottled(act: () => void, pace: number): () => void {
  const latest = useRef(act);
  const timer = useRef<number>(undefined);
  const due = useRef(0);
  useEffect(() => {
    latest.current = act;
  });
  useEffect(() => () => window.clearTimeout(timer.current), []);
  const [call] = useState(() => () => {
    if (timer.current !== undefined) return;
    timer.current = window.setTimeout(
      () => {
        timer.current = undefined;
        due.current = Date.now() + pace;
        latest.current();
      },
      Math.max(0, due.current - Date.now()),
    );
  });
  return call;
}

/** What the template says to laymen, at the revision the run was made from. */
export function useDescription(run: { namespace: string; template: string; revision: number }, enabled = true): string {
  const { data } = api.useQuery(
    'get',
    '/api/v1/objects/{kind}/{name}',
    { params: { path: { kind: 'templates', name: run.template }, query: { namespace: run.namespace, revision: run.revision } } },
    // A revision never changes.
    { enabled, staleTime: Infinity, retry: false },
  );
  const spec = data?.spec as { description?: unknown } | undefined;
  return typeof spec?.description === 'string' ? spec.description : '';
}
