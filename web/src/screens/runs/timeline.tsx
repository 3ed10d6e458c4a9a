import { Box, Button, Group, Stack, Switch, Text, Timeline } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { client, type Schemas, unwrap } from '~/api/client';
import { Loading } from '~/components/loading';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { useEvents } from '~/lib/live';
import { useThrottled } from './data';
import { shown, visibleLine } from '~/lib/text';
import type { Run } from './logic/types';
import classes from './run.module.css';

type Event = Schemas['Event'];

/** The events of a run, oldest first; those of its nodes when asked for. */
export function RunTimeline({ run }: { run: Run }) {
  const [tasks, setTasks] = useState(false);
  return (
    <Stack gap="sm">
      <Switch label="Events of the nodes too" checked={tasks} onChange={(event) => setTasks(event.currentTarget.checked)} />
      {tasks ? <Events run={run} types={['*']} /> : <Events run={run} types={['synod.run.*', 'synod.approval.*']} />}
    </Stack>
  );
}

const PAGE = 200;

function Events({ run, types }: { run: Run; types: string[] }) {
  const { data, error, isPending, refetch, fetchNextPage, hasNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ['get', '/api/v1/events', { run: run.id, types }],
    // What happened while it was not shown.
    refetchOnMount: 'always',
    // The pages of several types are read side by side; a run has few events of its own.
    queryFn: async ({ pageParam, signal }) => {
      const pages = await Promise.all(
        types.map((type) =>
          unwrap(
            client.GET('/api/v1/events', {
              params: {
                query: { run: run.id, limit: PAGE, ...(type !== '*' && { type }), ...(pageParam !== '' && { cursor: pageParam }) },
              },
              signal,
            }),
          ),
        ),
      );
      const full = pages.filter((page) => page.next);
      // Up to where every type is known.
      const until = Math.min(...full.map((page) => page.items.at(-1)?.position ?? Infinity), Infinity);
      const items = pages.flatMap((page) => page.items).filter((event) => event.position <= until);
      return { items: items.sort((a, b) => a.position - b.position), next: full.length === 0 ? undefined : `e${until}` };
    },
    initialPageParam: '',
    getNextPageParam: (page) => page.next,
  });
  const again = useThrottled(() => void refetch(), 1500);
  useEvents((event) => {
    if (event.run === run.id && types.some((type) => event.type.startsWith(type.replace('*', '')))) again();
  });
  if (error) return <ProblemView error={error} retry={() => void refetch()} />;
  if (isPending) return <Loading />;
  const events = data.pages.flatMap((page) => page.items);
  if (events.length === 0) return <Text size="sm">Nothing is recorded yet, or you may not see the events of this namespace.</Text>;
  return (
    <Box>
      <Timeline bulletSize={14} lineWidth={2} active={events.length} classNames={{ item: classes.event ?? '' }}>
        {events.map((event) => (
          <Timeline.Item
            key={event.position}
            title={
              <Text size="sm" fw={600}>
                {title(event)}
              </Text>
            }
          >
            <Text size="sm">
              {who(event.actor)} <Time at={event.time} c="dimmed" />
            </Text>
            <Details data={event.data} />
          </Timeline.Item>
        ))}
      </Timeline>
      {hasNextPage && (
        <Group mt="md">
          <Button variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            Load more
          </Button>
        </Group>
      )}
    </Box>
  );
}

const TITLES: Record<string, string> = {
  'synod.run.requested': 'Requested',
  'synod.run.approved': 'Approved by enough people',
  'synod.run.at_gate': 'Waits at the gate',
  'synod.run.proceeded': 'Let go on',
  'synod.run.rollout_stopped': 'The rollout stopped',
  'synod.run.cancel_requested': 'Asked to cancel',
  'synod.run.break_glass': 'Started by break-glass',
  'synod.approval.ratification_given': 'Ratification given',
};

/** What happened, in words; unknown sorts by their own name. */
function title(event: Event): string {
  const data = (event.data ?? {}) as Record<string, unknown>;
  const task = /^task\/.*\.(\d+)$/.exec(event.subject);
  const what = event.type.split('.').slice(2).join(' ').replaceAll('_', ' ');
  if (task)
    return `Node ${Number(task[1]) + 1} ${what}${typeof data['phase'] === 'string' ? `: ${data['phase'].replaceAll('_', ' ')}` : ''}`;
  if (event.type === 'synod.approval.given') return data['decision'] === 'reject' ? 'Rejection given' : 'Approval given';
  if (event.type === 'synod.run.batch_started') return `Batch ${Number(data['batch']) + 1} started`;
  return TITLES[event.type] ?? what.charAt(0).toUpperCase() + what.slice(1);
}

const who = (actor: string): string => (actor === 'system' ? 'the server' : actor.replace(/^user:/, '').replace(/^node:/, 'node '));

/** What the title says already, or the manifest. */
const TOLD = new Set(['digest', 'batch', 'decision', 'phase']);

function Details({ data }: { data: unknown }) {
  const facts = Object.entries((data ?? {}) as Record<string, unknown>).filter(
    ([name, value]) => !TOLD.has(name) && value !== null && value !== '' && value !== undefined && value !== 0,
  );
  if (facts.length === 0) return null;
  return (
    <Text size="xs" c="dimmed">
      {facts.map(([name, value]) => `${factName(name)}: ${visibleLine(name === 'by' ? persons(value) : shown(value))}`).join(' · ')}
    </Text>
  );
}

/** `exitCode` as people write it; a key says what it was for. */
const factName = (name: string): string =>
  name === 'key' ? 'signed with' : name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** Who filled the rules, by name. */
const persons = (by: unknown): string =>
  Array.isArray(by)
    ? by.map((one: { person?: string } | string) => (typeof one === 'string' ? one : (one.person ?? shown(one)))).join(', ')
    : shown(by);
