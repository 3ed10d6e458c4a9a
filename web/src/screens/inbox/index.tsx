import { Card, Stack, Text, Title } from '@mantine/core';
import { IconInbox } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '~/api/client';
import { Empty } from '~/components/empty';
import { Loading } from '~/components/loading';
import { Page } from '~/components/page';
import { More } from '~/components/pages';
import { ProblemView } from '~/components/problem';
import { useMe } from '~/session/session';
import { awaitingOptions } from '../runs/awaiting';
import { To } from '../runs/link';
import rows from '../runs/list.module.css';
import { ENDED_PHASES, OPEN_PHASES, type RunSummary } from '../runs/logic/types';
import { byUrgency } from '../runs/logic/urgency';
import { RunRow } from '../runs/row';
import { AwaitingCard } from './card';
import { GateCard } from './gate';
import classes from './inbox.module.css';

/** So many are drawn at first, the most pressing of them all. */
const SHOWN = 100;

/** What the server says of a run that waits for somebody to proceed. */
const AT_GATE = /\bgate\b/;

/** What awaits the caller, the most pressing first; then what they asked for themselves. */
export default function Screen() {
  const awaiting = useQuery(awaitingOptions);
  const [most, setMost] = useState(SHOWN);
  const running = api.useQuery('get', '/api/v1/runs', { params: { query: { phase: 'running', limit: 100 } } });
  const gates = (running.data?.items ?? []).filter((run) => AT_GATE.test(run.message ?? ''));
  const runs = byUrgency(awaiting.data ?? []);
  return (
    <Page title="Inbox" about="What awaits your decision, the most pressing first.">
      {awaiting.error && <ProblemView error={awaiting.error} retry={() => void awaiting.refetch()} />}
      {awaiting.isPending && <Loading />}
      {awaiting.data && runs.length === 0 && (
        <Empty icon={IconInbox} title="Nothing awaits you">
          Requests that need your approval show here as they come. To ask for something yourself, go to the{' '}
          <To to="/catalogue">catalogue</To>.
        </Empty>
      )}
      {gates.length > 0 && (
        <Stack gap="md" className={classes.gates ?? ''}>
          {gates.map((run) => (
            <GateCard key={run.id} run={run} />
          ))}
        </Stack>
      )}
      {runs.length > 0 && (
        <section aria-labelledby="awaiting">
          <Title order={2} size="h4" mb="xs" id="awaiting">
            {runs.length === 1 ? 'One awaits you' : `${runs.length} await you`}
          </Title>
          <div className={classes.cards}>
            {runs.slice(0, most).map((run, n) => (
              <AwaitingCard key={run.id} run={run} first={n === 0} />
            ))}
          </div>
          {runs.length > most && <More shown={most} what="runs" more busy={false} next={() => setMost(most + SHOWN)} />}
        </section>
      )}
      <Mine />
    </Page>
  );
}

/** What the caller asked for: open, and lately ended. */
function Mine() {
  const { user } = useMe();
  const open = api.useQuery('get', '/api/v1/runs', { params: { query: { requester: user, phase: OPEN_PHASES, limit: 20 } } });
  const ended = api.useQuery('get', '/api/v1/runs', { params: { query: { requester: user, phase: ENDED_PHASES, limit: 5 } } });
  return (
    <>
      <Part title="Your open requests" runs={open.data?.items ?? []} />
      <Part title="Lately ended" runs={ended.data?.items ?? []} />
      {(ended.data?.next || open.data?.next) && (
        <Text size="sm">
          <To to="/runs" search={{ mine: 'yes' }}>
            All that you asked for
          </To>
        </Text>
      )}
    </>
  );
}

function Part({ title, runs }: { title: string; runs: RunSummary[] }) {
  if (runs.length === 0) return null;
  return (
    <section aria-label={title}>
      <Title order={2} size="h4" mb="xs">
        {title}
      </Title>
      <Card padding={0}>
        <ul className={rows.rows} aria-label={title}>
          {runs.map((run) => (
            <li key={run.id}>
              <RunRow run={run} />
            </li>
          ))}
        </ul>
      </Card>
    </section>
  );
}
