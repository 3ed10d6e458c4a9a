import { Button, Card, Group, Text } from '@mantine/core';
import { IconPlayerPlay, IconSearchOff } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { client, unwrap } from '~/api/client';
import { Empty } from '~/components/empty';
import { Loading } from '~/components/loading';
import { Page } from '~/components/page';
import { useFilters } from '~/components/filters';
import { ProblemView } from '~/components/problem';
import { useMe } from '~/session/session';
import { Filters, type RunFilters } from './filters';
import { To } from './link';
import classes from './list.module.css';
import type { RunSummary } from './logic/types';
import { RunRow } from './row';

const PAGE = 50;

/** The runs there were, newest first. */
export default function Screen() {
  const [filters, set] = useFilters<keyof RunFilters>();
  const me = useMe();
  const { namespace, template, phase, find } = filters;
  const requester = filters.mine ? me.user : filters.requester;
  const query = {
    limit: PAGE,
    ...(namespace && { namespace }),
    ...(template && { template }),
    ...(phase && { phase }),
    ...(requester && { requester }),
    ...(filters.unratified && { unratified: true }),
  };
  const { data, error, isPending, refetch, fetchNextPage, hasNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ['get', '/api/v1/runs', 'pages', query],
    queryFn: ({ pageParam, signal }) =>
      unwrap(client.GET('/api/v1/runs', { params: { query: { ...query, ...(pageParam !== '' && { cursor: pageParam }) } }, signal })),
    initialPageParam: '',
    getNextPageParam: (page) => page.next ?? undefined,
  });
  const runs = data?.pages.flatMap((page) => page.items) ?? [];
  const found = matching(runs, find ?? '');
  const filtered = Boolean(namespace || template || phase || requester || filters.unratified || find);
  return (
    <Page title="Runs" about="Everything that was requested here, newest first.">
      <Filters filters={filters} set={set} />
      {error && <ProblemView error={error} retry={() => void refetch()} />}
      {isPending && <Loading />}
      {data && found.length > 0 && (
        <Card padding={0}>
          <ul className={classes.rows} aria-label="Runs">
            {found.map((run) => (
              <li key={run.id}>
                <RunRow run={run} />
              </li>
            ))}
          </ul>
        </Card>
      )}
      {data && found.length === 0 && (filtered ? <NothingFound more={hasNextPage} /> : <NothingYet />)}
      {hasNextPage && (
        <Group justify="center" gap="sm">
          {find && (
            <Text size="sm" c="dimmed">
              Searched in the newest {runs.length}.
            </Text>
          )}
          <Button variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            Load more
          </Button>
        </Group>
      )}
    </Page>
  );
}

const NothingFound = ({ more }: { more: boolean }) => (
  <Empty icon={IconSearchOff} title="No run is like this">
    {more ? 'Not among those loaded; load more, or change the filters.' : 'Change or clear the filters to see others.'}
  </Empty>
);

const NothingYet = () => (
  <Empty icon={IconPlayerPlay} title="Nothing has run yet">
    Choose what you need in the <To to="/catalogue">catalogue</To> and request it; it shows here from then on.
  </Empty>
);

/** The runs that hold every word of a text in what people read of them. */
function matching(runs: readonly RunSummary[], text: string): RunSummary[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  if (words.length === 0) return [...runs];
  return runs.filter((run) => {
    const all = `${run.id} ${run.title} ${run.template} ${run.namespace} ${run.requester} ${run.reason} ${run.message ?? ''}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
}
