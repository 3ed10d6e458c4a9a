import { Badge, Button, Group, Select } from '@mantine/core';
import { IconActivity, IconPlayerPause, IconPlayerPlay, IconSearchOff } from '@tabler/icons-react';
import { useEffect, useRef, useState } from 'react';
import { client, unwrap } from '~/api/client';
import { Empty } from '~/components/empty';
import { FilterBar, SearchFilter, TextFilter, TimeFilter, useFilters } from '~/components/filters';
import { Loading } from '~/components/loading';
import { Page } from '~/components/page';
import { More, usePages } from '~/components/pages';
import { ProblemView } from '~/components/problem';
import { type SynodEvent, useConnection, useEvents } from '~/lib/live';
import classes from './events.module.css';
import { EventItem } from './item';
import { asked, type EventFilter, matches, merged } from './match';

/** Events that came while the screen was open are kept up to here; older ones are read anew page by page. */
const MOST_FRESH = 500;

/** What events are about, each as the types it stands for. */
const KINDS = ['run', 'approval', 'task', 'object', 'node', 'user', 'session', 'api_key', 'join_token', 'trust', 'backup', 'server'].map(
  (kind) => ({
    value: `synod.${kind}.*`,
    label: kind.replace('_', ' '),
  }),
);

/** What happened, newest first; new events come in on top. */
export default function Events() {
  const [filters, change] = useFilters<EventFilter>();
  const query = asked(filters);
  const key = JSON.stringify(query);
  const found = usePages('/api/v1/events', query, (cursor, signal) =>
    unwrap(client.GET('/api/v1/events', { params: { query: { ...query, newest: true, limit: 100, ...(cursor && { cursor }) } }, signal })),
  );
  const live = useFresh(key, (event) => matches(event, query));
  const events = merged(live.shown, found.items, Number.MAX_SAFE_INTEGER);
  const active = Object.keys(query).length;
  return (
    <Page
      title="Events"
      about="Everything that happened, in order. Each event is also a leaf of the audit log."
      actions={<Pause {...live} />}
    >
      <FilterBar
        active={active}
        clear={() => change({ type: '', subject: '', actor: '', namespace: '', run: '', since: '', until: '' })}
        search={<SearchFilter label="Type" placeholder="synod.run.*" value={filters.type} change={(type) => change({ type })} />}
      >
        <Select
          label="Kind"
          placeholder="Any"
          data={KINDS}
          value={KINDS.some((kind) => kind.value === filters.type) ? (filters.type ?? null) : null}
          onChange={(type) => change({ type: type ?? '' })}
          clearable
          clearButtonProps={{ 'aria-label': 'Any kind' }}
        />
        <TextFilter label="Subject" placeholder="node/web-1" value={filters.subject} change={(subject) => change({ subject })} />
        <TextFilter label="Actor" placeholder="user:alice" value={filters.actor} change={(actor) => change({ actor })} />
        <TextFilter label="Namespace" placeholder="shop" value={filters.namespace} change={(namespace) => change({ namespace })} />
        <TextFilter label="Run" placeholder="Its id" value={filters.run} change={(run) => change({ run })} />
        <TimeFilter label="From" value={filters.since} change={(since) => change({ since })} />
        <TimeFilter label="Until" value={filters.until} from={filters.since} change={(until) => change({ until })} />
      </FilterBar>
      {found.error !== null && <ProblemView error={found.error} retry={() => void found.refetch()} />}
      {found.isPending && <Loading />}
      {found.isSuccess && events.length === 0 && <None filtered={active > 0} />}
      {events.length > 0 && (
        <>
          <ol className={classes.list} aria-label="Events">
            {events.map((event) => (
              <EventItem key={event.position} event={event} fresh={live.positions.has(event.position)} only={(filter) => change(filter)} />
            ))}
          </ol>
          <More
            shown={events.length}
            what={events.length === 1 ? 'event' : 'events'}
            more={found.hasNextPage}
            busy={found.isFetchingNextPage}
            next={() => void found.fetchNextPage()}
          />
        </>
      )}
    </Page>
  );
}

/** Gathers what comes while the screen is open. While paused it is held back, so that nothing moves under a finger. */
function useFresh(key: string, wanted: (event: SynodEvent) => boolean) {
  const [shown, setShown] = useState<SynodEvent[]>([]);
  const [held, setHeld] = useState<SynodEvent[]>([]);
  const [paused, setPaused] = useState(false);
  const before = useRef(key);
  useEffect(() => {
    if (before.current === key) return;
    before.current = key;
    setShown([]);
    setHeld([]);
  }, [key]);
  useEvents((event) => {
    if (!wanted(event)) return;
    const add = paused ? setHeld : setShown;
    add((events) => merged([event], events, MOST_FRESH));
  });
  const toggle = () => {
    if (paused) {
      setShown((events) => merged(held, events, MOST_FRESH));
      setHeld([]);
    }
    setPaused(!paused);
  };
  return { shown, positions: new Set(shown.map((event) => event.position)), held: held.length, paused, toggle };
}

function Pause({ paused, held, toggle }: { paused: boolean; held: number; toggle: () => void }) {
  const connection = useConnection();
  const state = paused ? 'Paused' : connection === 'live' ? 'Live' : connection === 'lost' ? 'Connection lost' : 'Connecting';
  return (
    <Group gap="xs">
      <Badge
        variant="dot"
        color={paused ? 'yellow' : connection === 'live' ? 'teal' : 'orange'}
        tt="none"
        size="lg"
        radius="sm"
        role="status"
        styles={{ label: { color: 'var(--mantine-color-text)' } }}
      >
        {state}
      </Badge>
      <Button
        variant="default"
        onClick={toggle}
        leftSection={paused ? <IconPlayerPlay size={16} aria-hidden /> : <IconPlayerPause size={16} aria-hidden />}
      >
        {paused ? `Go on${held > 0 ? ` (${held === MOST_FRESH ? `${held} or more` : held} new)` : ''}` : 'Pause'}
      </Button>
    </Group>
  );
}

function None({ filtered }: { filtered: boolean }) {
  return filtered ? (
    <Empty icon={IconSearchOff} title="No event fits">
      A type may end with <code>*</code>, as in <code>synod.run.*</code>; subject, actor and namespace are looked for whole. What comes from
      now on appears here by itself.
    </Empty>
  ) : (
    <Empty icon={IconActivity} title="Nothing has happened yet">
      Events of the namespaces you may see appear here as they happen.
    </Empty>
  );
}
