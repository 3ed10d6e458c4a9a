import { Alert, Card, Code, Group, List, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { api } from '~/api/client';
import { Loading } from '~/components/loading';
import { Page } from '~/components/page';
import { Phase } from '~/components/phase';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { between } from '~/lib/time';
import { phasesOptions } from './data';
import { Fact, Facts, Inputs } from './facts';
import classes from './compare.module.css';
import { To } from './link';
import { differences, placeWords, nodeDifferences, outcomeDifferences } from './logic/differences';
import { titleOf, visible, visibleLine } from '~/lib/text';
import type { Run, RunNode } from './logic/types';
import { count, counts, strategy } from './logic/words';

/** Two runs side by side. */
export default function Screen() {
  const { id, other } = useParams({ from: '/signed-in/runs/$id/compare/$other' });
  const one = api.useQuery('get', '/api/v1/runs/{id}', { params: { path: { id } } });
  const two = api.useQuery('get', '/api/v1/runs/{id}', { params: { path: { id: other } } });
  const error = one.error ?? two.error;
  const [a, b] = [one.data, two.data];
  if (error) {
    return (
      <Page title="Compare two runs">
        <ProblemView error={error} />
      </Page>
    );
  }
  if (a === undefined || b === undefined) {
    return (
      <Page title="Compare two runs">
        <Loading />
      </Page>
    );
  }
  // The earlier one stands first.
  const [before, after] = a.createdAt <= b.createdAt ? [a, b] : [b, a];
  return (
    <Page
      title="Compare two runs"
      about={
        after.namespace === before.namespace && after.template === before.template ? titleOf(after) : 'They are of different templates.'
      }
    >
      <div className={classes.pair}>
        <Side run={before} title="Before" />
        <Side run={after} title="After" />
      </div>
      <Differences before={before} after={after} />
    </Page>
  );
}

function Side({ run, title }: { run: Run; title: string }) {
  return (
    <Card component="section" aria-label={title}>
      <Group justify="space-between" mb="xs" gap="xs">
        <Title order={2} size="h5">
          {title}:{' '}
          <To to="/runs/$id" params={{ id: run.id }} search={{}}>
            {run.id}
          </To>
        </Title>
        <Phase phase={run.phase} />
      </Group>
      <Facts>
        <Fact name="What">
          {run.namespace}/{run.template}, revision {run.revision}
        </Fact>
        <Fact name="Who">{run.requester}</Fact>
        <Fact name="Why">{visible(run.reason)}</Fact>
        <Fact name="Inputs">
          <Inputs manifest={run.manifest} />
        </Fact>
        <Fact name="Where">{count(run.nodeCount, 'node')}</Fact>
        <Fact name="How">{strategy(run.manifest.strategy)}</Fact>
        <Fact name="Outcome">{counts(run.tasks)}</Fact>
        <Fact name="Requested">
          <Time at={run.createdAt} />
        </Fact>
        {run.startedAt && <Fact name="Waited">{between(run.createdAt, run.startedAt)} before it started</Fact>}
        {run.startedAt && run.finishedAt && <Fact name="Took">{between(run.startedAt, run.finishedAt)}</Fact>}
      </Facts>
    </Card>
  );
}

function Differences({ before, after }: { before: Run; after: Run }) {
  const one = useQuery(phasesOptions(before.id));
  const two = useQuery(phasesOptions(after.id));
  const found = differences(before.manifest, after.manifest);
  return (
    <>
      <Card component="section" aria-label="What was asked differently">
        <Title order={2} size="h5" mb="xs">
          What was asked differently
        </Title>
        {found.length === 0 ? (
          <Text size="sm">Nothing but the nodes, if those differ.</Text>
        ) : (
          <ul className={classes.changes}>
            {found.map((difference) => (
              <li key={difference.path}>
                <Text size="sm" fw={600}>
                  {visibleLine(placeWords(difference.path))}
                </Text>
                <div className={classes.pair}>
                  <Version title="Before" text={difference.before} />
                  <Version title="After" text={difference.after} />
                </div>
              </li>
            ))}
          </ul>
        )}
      </Card>
      {(one.error ?? two.error) && <ProblemView error={one.error ?? two.error} />}
      {/* What another screen read may be of before the end. */}
      {one.isFetchedAfterMount && two.isFetchedAfterMount && one.data && two.data && <Nodes before={one.data} after={two.data} />}
    </>
  );
}

/** One of two texts, named, since on a phone they stand below each other. */
const Version = ({ title, text }: { title: string; text: string }) => (
  <div>
    <Text size="xs" c="dimmed">
      {title}
    </Text>
    <Code block style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
      {visible(text)}
    </Code>
  </div>
);

/** So many rows are written out; the runs themselves show all. */
const MOST = 500;

function Nodes({ before, after }: { before: readonly RunNode[]; after: readonly RunNode[] }) {
  const { gone, added } = nodeDifferences(before, after);
  const outcomes = outcomeDifferences(before, after);
  return (
    <Card component="section" aria-label="Nodes">
      <Title order={2} size="h5" mb="xs">
        Nodes
      </Title>
      {gone.length + added.length === 0 ? (
        <Text size="sm">Both are for the same {count(after.length, 'node')}.</Text>
      ) : (
        <List size="sm">
          {gone.length > 0 && <List.Item>Only before: {some(gone)}</List.Item>}
          {added.length > 0 && <List.Item>Only after: {some(added)}</List.Item>}
        </List>
      )}
      {outcomes.length === 0 ? (
        <Text size="sm" mt="xs">
          Every node that is in both ended alike.
        </Text>
      ) : (
        <ul className={classes.outcomes} aria-label="Nodes that ended differently">
          {outcomes.slice(0, MOST).map((node) => (
            <li key={node.name}>
              <Text size="sm" fw={600} className={classes.node ?? ''}>
                {visibleLine(node.name)}
              </Text>
              <Outcome title="before" phase={node.before} exit={node.exitBefore} />
              <Outcome title="after" phase={node.after} exit={node.exitAfter} />
            </li>
          ))}
        </ul>
      )}
      {outcomes.length > MOST && (
        <Alert color="gray" mt="xs">
          and {outcomes.length - MOST} more
        </Alert>
      )}
    </Card>
  );
}

const Outcome = ({ title, phase, exit }: { title: string; phase: string; exit: number | null | undefined }) => (
  <Group gap="2px 6px">
    <Text size="xs" c="dimmed">
      {title}
    </Text>
    <Phase phase={phase} />
    {exit !== undefined && exit !== null && (
      <Text size="xs" c="dimmed">
        exit code {exit}
      </Text>
    )}
  </Group>
);

const some = (names: readonly string[]): string =>
  names.slice(0, 40).join(', ') + (names.length > 40 ? ` and ${names.length - 40} more` : '');
