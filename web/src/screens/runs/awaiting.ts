import { queryOptions } from '@tanstack/react-query';
import { client, unwrap } from '~/api/client';
import type { RunSummary } from './logic/types';

/** As many as the server gives at once, and so many pages at most. */
const PAGE = 500;
const PAGES = 20;

/**
 * Every run that awaits the caller: the server gives the newest first, so that those about to expire would be on the last page. The key
 * begins like that of every other list of runs, so that events make it stale as well.
 */
export const awaitingOptions = queryOptions({
  queryKey: ['get', '/api/v1/runs', { awaiting: 'me' }],
  queryFn: async ({ signal }) => {
    const runs: RunSummary[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < PAGES; page++) {
      const query = { awaitingMe: true, limit: PAGE, ...(cursor !== undefined && { cursor }) };
      const found = await unwrap(client.GET('/api/v1/runs', { params: { query }, signal }));
      runs.push(...found.items);
      if (!found.next) break;
      cursor = found.next;
    }
    return runs;
  },
});
