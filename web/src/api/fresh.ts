import type { Query, QueryClient } from '@tanstack/react-query';

/**
 * Has what was read made anew without ever breaking off a read: one that is under way while news comes about it is made once
 * more when it is done. So an answer that takes longer than the next piece of news is shown all the same.
 */
export function freshener(client: QueryClient): (about: (query: Query) => boolean) => void {
  const cache = client.getQueryCache();
  const behind = new Set<Query>();
  const renew = (query: Query): void => {
    if (query.state.fetchStatus !== 'idle') {
      behind.add(query);
      return;
    }
    query.invalidate();
    void client.refetchQueries({ predicate: (one) => one === query, type: 'active' });
  };
  cache.subscribe(({ query, type }) => {
    if (type === 'removed') behind.delete(query);
    else if (query.state.fetchStatus === 'idle' && behind.delete(query)) renew(query);
  });
  return (about) => {
    for (const query of cache.getAll()) if (about(query)) renew(query);
  };
}
