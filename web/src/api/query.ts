import { type Query, QueryClient } from '@tanstack/react-query';
import { ApiError } from './problem';

/** Nothing is polled: what is shown is made anew when an event says that it changed (see live.ts). */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      refetchOnWindowFocus: true,
      retry: (failures, error) =>
        failures < 3 && (!(error instanceof ApiError) || error.problem.status === 0 || error.problem.status >= 502),
    },
    mutations: { retry: false },
  },
});

/** Makes everything anew that was read from one of these operations: `/api/v1/runs` covers `/api/v1/runs/{id}` as well. */
export function invalidate(...paths: string[]): void {
  const about = (query: Query): boolean => {
    const path = query.queryKey[1];
    return typeof path === 'string' && paths.some((prefix) => path === prefix || path.startsWith(`${prefix}/`));
  };
  void queryClient.invalidateQueries({ predicate: about });
}
