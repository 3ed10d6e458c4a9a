import { Badge, Box, Card, Group, Skeleton, Stack, Text, Title } from '@mantine/core';
import { useIntersection } from '@mantine/hooks';
import { IconClock, IconFlame } from '@tabler/icons-react';
import { type KeyboardEvent, type ReactNode, useId, useState } from 'react';
import { api } from '~/api/client';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { LastTime } from '../runs/comparison';
import { useDescription } from '../runs/data';
import { DecideButtons, meantForPage, useApproveKey } from '../runs/decide/bar';
import { type Asked, DecideSheet } from '../runs/decide/decide';
import { RunFacts } from '../runs/facts';
import { To } from '../runs/link';
import { usesRaw } from '../runs/logic/script';
import { titleOf, visible, visibleLine } from '~/lib/text';
import type { Run, RunSummary } from '../runs/logic/types';
import { type Urgency, urgency } from '../runs/logic/urgency';
import { Rules } from '../runs/rules';
import { Steps } from '../runs/steps';
import classes from './inbox.module.css';

const FRAME: Record<Urgency, string | undefined> = { 'break-glass': classes.urgent, soon: classes.soon, ordinary: undefined };

/** A run that awaits the caller: everything to decide by, and the decision. `a` asks to approve the focused card, without one the first. */
export function AwaitingCard({ run: summary, first }: { run: RunSummary; first: boolean }) {
  // Only what is in sight is read, and read anew when something changes.
  const { ref, entry } = useIntersection<HTMLElement>({ rootMargin: '300px' });
  const near = entry?.isIntersecting ?? false;
  const {
    data: run,
    error,
    refetch,
  } = api.useQuery('get', '/api/v1/runs/{id}', { params: { path: { id: summary.id } } }, { enabled: near });
  const about = useDescription(summary, near);
  const [asked, setAsked] = useState<Asked>();
  const title = useId();
  useApproveKey(() => {
    if (first && run !== undefined && document.activeElement?.closest('article') == null) setAsked('approve');
  });
  const pressing = urgency(summary);
  const pressed = (event: KeyboardEvent) => {
    if (event.key !== 'a' || run === undefined || !meantForPage(event)) return;
    const { nativeEvent } = event;
    // The shortcuts of the frame come later and say so.
    window.setTimeout(() => nativeEvent.defaultPrevented || setAsked('approve'));
  };
  return (
    <>
      <Card
        component="article"
        ref={ref}
        tabIndex={0}
        aria-labelledby={title}
        onKeyDown={pressed}
        className={`${classes.card} ${FRAME[pressing] ?? ''}`}
      >
        <Group justify="space-between" align="flex-start" gap="xs" mb={4}>
          <Title order={3} size="h4" id={title}>
            <To to="/runs/$id" params={{ id: summary.id }} search={{}} c="inherit">
              {titleOf(summary)}
            </To>
          </Title>
          <Deadline run={summary} pressing={pressing} />
        </Group>
        {about !== '' && (
          <Text size="sm" c="dimmed" mb="xs">
            {visible(about)}
          </Text>
        )}
        {error ? (
          <ProblemView error={error} retry={() => void refetch()} />
        ) : run === undefined ? (
          <Skeleton h={260} role="status" aria-label="Loading" />
        ) : (
          <Contents run={run} ask={setAsked} />
        )}
      </Card>
      {run && <DecideSheet run={run} asked={asked} close={() => setAsked(undefined)} />}
    </>
  );
}

function Deadline({ run, pressing }: { run: RunSummary; pressing: Urgency }) {
  const Icon = pressing === 'break-glass' ? IconFlame : IconClock;
  return (
    <Badge
      color={pressing === 'ordinary' ? 'gray' : pressing === 'soon' ? 'orange' : 'red'}
      variant="light"
      radius="sm"
      tt="none"
      size="lg"
      leftSection={<Icon size={14} aria-hidden />}
      styles={{ label: { color: 'var(--mantine-color-text)' } }}
    >
      {pressing === 'break-glass' ? 'break-glass, ' : ''}decide <Time at={run.approveBy} ago />
    </Badge>
  );
}

function Contents({ run, ask }: { run: Run; ask: (asked: Asked) => void }) {
  const raw = run.manifest.steps.some((step, n) => run.preview[n]?.raw || usesRaw(step.run ?? ''));
  const changed = run.comparison?.differences.length ?? 0;
  return (
    <Stack gap="xs">
      <RunFacts run={run} eager />
      <Fold title={`What it will run: ${run.manifest.steps.map((step) => visibleLine(step.name)).join(', ')}`} open={raw}>
        <Steps manifest={run.manifest} preview={run.preview} open />
      </Fold>
      <Fold
        title={
          run.comparison
            ? changed === 0
              ? 'Nothing differs from the last time'
              : `${changed} ${changed === 1 ? 'thing differs' : 'things differ'} from the last time`
            : 'It has not run before'
        }
        open={changed > 0}
      >
        <LastTime run={run} />
      </Fold>
      <Fold title={`Who must agree${run.approvals.length > 0 ? `; ${run.approvals.length} decided` : ''}`} open>
        <Rules run={run} />
      </Fold>
      <Box mt="xs" className={classes.buttons ?? ''}>
        <DecideButtons ask={ask} />
      </Box>
    </Stack>
  );
}

const Fold = ({ title, open, children }: { title: string; open: boolean; children: ReactNode }) => (
  <details open={open}>
    <summary className={classes.summary}>{title}</summary>
    {children}
  </details>
);
