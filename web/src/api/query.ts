import { type Query, QueryClient } from '@tanstack/react-query';
import { freshener } from './fresh';
import { ApiError, CODE } from './problem';

/** Nothing is polled: what is shown is made anew when an event says that it changed (see live.ts). */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      refetchOnWindowFocus: true,
      retry: (failures, error) => failures < 3 && error instanceof ApiError && (error.code === CODE.offline || error.problem.status >= 502),
    },
    mutations: { retry: false },
  },
});

/** Whether something was read from this operation or one below it: `/api/v1/runs` covers `/api/v1/runs/{id}` as well. */
const covers = (prefix: string, query: Query): boolean => {
  const path = query.queryKey[1];
  return typeof path === 'string' && (path === prefix || path.startsWith(`${prefix}/`));
};

/**
 * After a change of one's own: makes everything anew that was read from one of these operations. A read that is under way may
 * be of before the change, so it is broken off.
 */
export function invalidate(...paths: string[]): void {
  void queryClient.invalidateQueries({ predicate: (query) => paths.some((prefix) => covers(prefix, query)) });
}

const freshen = freshener(queryClient);

/** After a change of somebody else's: the same, but lets reads that are under way come to their end. */
export function refresh(about: ((query: Query) => boolean) | string): void {
  freshen(typeof about === 'string' ? (query) => covers(about, query) : about);
}
