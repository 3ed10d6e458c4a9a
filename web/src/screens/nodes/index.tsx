import { Alert, Button, Code, Select, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconAlertOctagon, IconPlus, IconSearchOff, IconServer } from '@tabler/icons-react';
import { useEffect } from 'react';
import { api, client, unwrap } from '~/api/client';
import { toApiError } from '~/api/problem';
import { Empty } from '~/components/empty';
import { FilterBar, SearchFilter, TextFilter, useFilters } from '~/components/filters';
import { Loading } from '~/components/loading';
import { Page } from '~/components/page';
import { More, usePages } from '~/components/pages';
import { ProblemView } from '~/components/problem';
import { useCan } from '~/session/session';
import { JoinDialog } from './join';
import { fits, SHOW } from './fits';
import { narrowed } from './labels';
import { NodeList } from './list';
import { JoinTokens } from './tokens';

type Filter = 'q' | 'selector' | 'show';

/** All nodes: how they are, how they judge, and how one more joins. */
export default function Nodes() {
  const [filters, change] = useFilters<Filter>();
  const [joining, { open: join, close }] = useDisclosure(false);
  const mayJoin = useCan('join-token.write');
  const selector = filters.selector ?? '';
  // The server knows selectors; names, facts and states are looked for here, so that all pages are needed.
  const looking = (filters.q ?? '') !== '' || (filters.show ?? '') !== '';
  const found = usePages('/api/v1/nodes', { selector, limit: 200 }, (cursor, signal) =>
    unwrap(
      client.GET('/api/v1/nodes', { params: { query: { limit: 200, ...(selector && { selector }), ...(cursor && { cursor }) } }, signal }),
    ),
  );
  const { hasNextPage, isFetching, isError, fetchNextPage } = found;
  useEffect(() => {
    if (looking && hasNextPage && !isFetching && !isError) void fetchNextPage();
  }, [looking, hasNextPage, isFetching, isError, fetchNextPage]);
  const nodes = looking ? found.items.filter((node) => fits(node, filters.q ?? '', filters.show ?? '')) : found.items;
  const filtered = looking || selector !== '';
  const pointed = found.error ? toApiError(found.error) : undefined;
  const badSelector =
    selector !== '' &&
    pointed !== undefined &&
    pointed.problem.status >= 400 &&
    pointed.problem.status < 500 &&
    pointed.problem.status !== 403;
  const button = mayJoin && (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={join}>
      Join a node
    </Button>
  );
  return (
    <Page title="Nodes" about="The machines with an agent. Each decides for itself whether enough people agreed." actions={button}>
      <Alarms show={() => change({ show: 'alarm' })} shown={filters.show === 'alarm'} />
      <FilterBar
        active={Number(selector !== '') + Number((filters.show ?? '') !== '') + Number((filters.q ?? '') !== '')}
        clear={() => change({ q: '', selector: '', show: '' })}
        search={<SearchFilter label="Search" placeholder="Name, label or fact" value={filters.q} change={(q) => change({ q })} />}
      >
        <TextFilter
          label="Selector"
          placeholder="role=web,env!=dev"
          value={selector}
          change={(next) => change({ selector: next })}
          error={badSelector ? (pointed?.problem.detail ?? '') : undefined}
        />
        <Select
          label="Show"
          data={[{ value: '', label: 'All' }, ...SHOW]}
          value={filters.show ?? ''}
          onChange={(show) => change({ show: show ?? '' })}
          allowDeselect={false}
          comboboxProps={{ withinPortal: true }}
        />
      </FilterBar>
      {found.error !== null && !badSelector && <ProblemView error={found.error} retry={() => void found.refetch()} />}
      {found.isPending && <Loading />}
      {found.isSuccess && nodes.length === 0 && !hasNextPage && <None filtered={filtered} button={button} />}
      {nodes.length > 0 && <NodeList nodes={nodes} pick={(condition) => change({ selector: narrowed(selector, condition) })} />}
      {found.isSuccess && (nodes.length > 0 || hasNextPage) && (
        <More
          shown={nodes.length}
          what={nodes.length === 1 ? 'node' : 'nodes'}
          more={hasNextPage}
          busy={found.isFetchingNextPage}
          next={() => void fetchNextPage()}
        >
          {looking ? `${nodes.length} of ${found.items.length} nodes.` : undefined}
        </More>
      )}
      <JoinTokens />
      <JoinDialog opened={joining} close={close} />
    </Page>
  );
}

function None({ filtered, button }: { filtered: boolean; button: React.ReactNode }) {
  if (filtered) {
    return (
      <Empty icon={IconSearchOff} title="No node fits">
        Take a filter away, or look for something shorter. A selector is written as <Code>role=web,env!=dev</Code>.
      </Empty>
    );
  }
  return (
    <Empty icon={IconServer} title="No nodes yet">
      <Stack align="center" gap="sm">
        <Text size="sm" c="dimmed">
          A machine becomes a node by one command: its agent dials out, shows a join token and gets a certificate. No port has to be opened
          on it.
        </Text>
        {button || 'Ask an administrator to join one.'}
      </Stack>
    </Empty>
  );
}

/** Nodes that called something out are shown before everything else. */
function Alarms({ show, shown }: { show: () => void; shown: boolean }) {
  const { data } = api.useQuery('get', '/api/v1/trust', {}, { retry: false });
  const alarmed = data?.nodes.alarmed ?? 0;
  if (alarmed === 0) return null;
  return (
    <Alert
      color="red"
      role="alert"
      icon={<IconAlertOctagon aria-hidden />}
      title={alarmed === 1 ? 'A node has raised an alarm' : `${alarmed} nodes have raised an alarm`}
      styles={{ title: { color: 'var(--mantine-color-text)' }, message: { color: 'var(--mantine-color-text)' } }}
    >
      <Stack gap="xs" align="flex-start">
        The audit log or the trust root is not what they had been shown before.
        {!shown && (
          <Button variant="default" onClick={show}>
            Show them
          </Button>
        )}
      </Stack>
    </Alert>
  );
}
