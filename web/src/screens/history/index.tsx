import { Button, MultiSelect, Select } from '@mantine/core';
import { IconDownload, IconHistory, IconSearchOff } from '@tabler/icons-react';
import { client, unwrap } from '~/api/client';
import { Empty } from '~/components/empty';
import { FilterBar, SearchFilter, TextFilter, TimeFilter, useFilters } from '~/components/filters';
import { AnchorLink } from '~/components/links';
import { Loading } from '~/components/loading';
import { Page } from '~/components/page';
import { More, usePages } from '~/components/pages';
import { LOOK, type TaskPhase } from '~/components/phase';
import { ProblemView } from '~/components/problem';
import { href } from '~/lib/base';
import { asked, exported, type HistoryFilter, SORTS } from './query';
import { Tasks } from './tasks';

const PHASES: TaskPhase[] = [
  'waiting',
  'assigned',
  'started',
  'succeeded',
  'failed',
  'timed_out',
  'lost',
  'refused',
  'skipped',
  'cancelled',
];

/** What ran where, and how it went: every task that the caller may see. */
export default function History() {
  const [filters, change] = useFilters<HistoryFilter>();
  const query = asked(filters);
  const found = usePages('/api/v1/tasks', query, (cursor, signal) =>
    unwrap(client.GET('/api/v1/tasks', { params: { query: { ...query, limit: 100, ...(cursor && { cursor }) } }, signal })),
  );
  const active = Object.keys(query).filter((name) => name !== 'sort').length;
  const tasks = found.items;
  const downloads = (['csv', 'json'] as const).map((format) => (
    <Button
      key={format}
      component="a"
      variant="default"
      href={href(exported(filters, format))}
      download={`synod-history.${format}`}
      leftSection={<IconDownload size={16} aria-hidden />}
    >
      {format.toUpperCase()}
    </Button>
  ));
  return (
    <Page
      title="History"
      about="What ran on which node, and how it went. The downloads hold what the filters leave, up to 10,000 rows."
      actions={downloads}
    >
      <FilterBar
        active={active}
        clear={() => change({ namespace: '', template: '', node: '', phase: '', since: '', until: '', run: '' })}
        search={<SearchFilter label="Node" placeholder="web-1" value={filters.node} change={(node) => change({ node })} />}
      >
        <TextFilter label="Namespace" placeholder="shop" value={filters.namespace} change={(namespace) => change({ namespace })} />
        <TextFilter label="Template" placeholder="restart-service" value={filters.template} change={(template) => change({ template })} />
        <MultiSelect
          label="Phase"
          placeholder={filters.phase ? '' : 'Any'}
          data={PHASES.map((phase) => ({ value: phase, label: LOOK[phase]?.label ?? phase }))}
          value={filters.phase?.split(',') ?? []}
          onChange={(phases) => change({ phase: phases.join(',') })}
          clearable
          clearButtonProps={{ 'aria-label': 'Any phase' }}
        />
        <TextFilter label="Run" placeholder="Its id" value={filters.run} change={(run) => change({ run })} />
        <TimeFilter label="From" value={filters.since} change={(since) => change({ since })} />
        <TimeFilter label="Until" value={filters.until} from={filters.since} change={(until) => change({ until })} />
        <Select
          label="Order"
          data={SORTS}
          value={filters.sort ?? ''}
          onChange={(sort) => change({ sort: sort ?? '' })}
          allowDeselect={false}
        />
      </FilterBar>
      {found.error !== null && <ProblemView error={found.error} retry={() => void found.refetch()} />}
      {found.isPending && <Loading />}
      {found.isSuccess && tasks.length === 0 && <None filtered={active > 0} />}
      {tasks.length > 0 && (
        <>
          <Tasks tasks={tasks} />
          <More
            shown={tasks.length}
            what={tasks.length === 1 ? 'task' : 'tasks'}
            more={found.hasNextPage}
            busy={found.isFetchingNextPage}
            next={() => void found.fetchNextPage()}
          />
        </>
      )}
    </Page>
  );
}

function None({ filtered }: { filtered: boolean }) {
  return filtered ? (
    <Empty icon={IconSearchOff} title="Nothing fits">
      Namespace, template and node are looked for by their whole names. Take a filter away to see more.
    </Empty>
  ) : (
    <Empty icon={IconHistory} title="Nothing has run yet">
      Once a run is approved, each node's part of it is kept here. Request one in the{' '}
      <AnchorLink to="/catalogue" underline="always">
        catalogue
      </AnchorLink>
      .
    </Empty>
  );
}
