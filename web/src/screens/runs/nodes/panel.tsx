import { Button, Chip, Group, SegmentedControl, Stack, Text, TextInput } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { useMemo, useSyncExternalStore } from 'react';
import { LOOK } from '~/components/phase';
import { Loading } from '~/components/loading';
import { ProblemView } from '~/components/problem';
import { useNodeStore } from '../data';
import { TASK_PHASES, type Run } from '../logic/types';
import { NodeGrid } from './grid';
import { NodeList } from './list';
import type { NodeStore } from './store';
import { TaskDrawer } from './task';

/** So few are better read by name. */
const FEW = 40;

export type NodeFilters = Partial<Record<'tasks' | 'find' | 'view' | 'task', string>>;

/** The nodes of a run: at a glance or by name, by phase, each one's task on a click. */
export function NodesPanel({ run, filters, setFilters }: { run: Run; filters: NodeFilters; setFilters: (filters: NodeFilters) => void }) {
  const { store, error, loading, retry } = useNodeStore(run.id);
  // An address may name a node before the nodes are known.
  useSyncExternalStore(store.subscribe, () => store.size);
  if (error !== null && error !== undefined) return <ProblemView error={error} retry={retry} />;
  if (loading) return <Loading />;
  const task = filters.task === undefined ? undefined : Number(filters.task);
  return (
    <>
      <NodesView store={store} filters={filters} setFilters={setFilters} />
      <TaskDrawer
        run={run}
        node={task === undefined ? undefined : store.node(task)}
        index={task}
        close={() => setFilters({ task: undefined })}
      />
    </>
  );
}

/** What is in a store of nodes, filtered. */
export function NodesView({
  store,
  filters,
  setFilters,
}: {
  store: NodeStore;
  filters: NodeFilters;
  setFilters: (filters: NodeFilters) => void;
}) {
  const version = useSyncExternalStore(store.subscribe, store.snapshot);
  const wanted = useMemo(() => (filters.tasks ?? '').split(',').filter((phase) => phase !== ''), [filters.tasks]);
  const find = filters.find ?? '';
  // Anew with each drawing, since phases change.
  const [counts, places] = useMemo(() => [store.counts(), store.matching(new Set(wanted), find)], [store, wanted, find, version]);
  const view = filters.view ?? (store.size <= FEW ? 'list' : 'grid');
  const open = (place: number) => setFilters({ task: String(place) });
  return (
    <Stack gap="sm">
      <Group gap="xs" justify="space-between" align="flex-end">
        <Chip.Group
          multiple
          value={wanted}
          onChange={(phases) => setFilters({ tasks: phases.length === 0 ? undefined : phases.join(',') })}
        >
          <Group gap={6} role="group" aria-label="Only nodes in these phases">
            {TASK_PHASES.filter((phase) => counts.has(phase) || wanted.includes(phase)).map((phase) => (
              <Chip
                key={phase}
                value={phase}
                size="sm"
                color={LOOK[phase]?.color ?? 'gray'}
                variant="outline"
                styles={{ label: { minHeight: 36, color: 'var(--mantine-color-text)' } }}
              >
                {LOOK[phase]?.label ?? phase} {(counts.get(phase) ?? 0).toLocaleString('en')}
              </Chip>
            ))}
          </Group>
        </Chip.Group>
        <Group gap="xs">
          {store.size > 10 && (
            <TextInput
              aria-label="Find a node by name"
              placeholder="Find a node"
              leftSection={<IconSearch size={16} aria-hidden />}
              value={find}
              onChange={(event) => setFilters({ find: event.currentTarget.value || undefined })}
              w={180}
            />
          )}
          <SegmentedControl
            value={view}
            onChange={(to) => setFilters({ view: to })}
            data={[
              { value: 'grid', label: 'Grid' },
              { value: 'list', label: 'List' },
            ]}
            aria-label="How the nodes are shown"
          />
        </Group>
      </Group>
      {places.length === 0 ? (
        <Group gap="xs">
          <Text size="sm">No node is like this.</Text>
          <Button variant="default" size="compact-sm" mih={36} onClick={() => setFilters({ tasks: undefined, find: undefined })}>
            Show all nodes
          </Button>
        </Group>
      ) : view === 'grid' ? (
        <NodeGrid store={store} places={places} version={version} open={open} />
      ) : (
        <NodeList store={store} places={places} open={open} />
      )}
    </Stack>
  );
}
