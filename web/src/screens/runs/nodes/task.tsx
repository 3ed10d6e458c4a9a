import { Alert, Button, Code, Drawer, Group, List, Stack, Table, Text, Title } from '@mantine/core';
import { IconShieldCheck, IconShieldX } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, client, type Schemas, unwrap } from '~/api/client';
import { Loading } from '~/components/loading';
import { Phase } from '~/components/phase';
import { ProblemView } from '~/components/problem';
import { Ticked } from '~/components/ticked';
import { Time } from '~/components/time';
import { between, duration } from '~/lib/time';
import { Fact, Facts } from '../facts';
import { To } from '../link';
import { findResult } from '../logic/result';
import { visibleLine } from '~/lib/text';
import type { Run, RunNode } from '../logic/types';
import { count } from '../logic/words';

/** One node's part of a run: how it went, step by step. */
export function TaskDrawer({
  run,
  node,
  index,
  close,
}: {
  run: Run;
  node: RunNode | undefined;
  index: number | undefined;
  close: () => void;
}) {
  return (
    <Drawer
      opened={node !== undefined}
      onClose={close}
      title={node?.name ?? ''}
      position="right"
      size="lg"
      closeButtonProps={{ 'aria-label': 'Close', size: 36 }}
    >
      {node !== undefined &&
        index !== undefined &&
        (run.startedAt ? <TaskDetail run={run} node={node} index={index} /> : <NotBegun node={node} />)}
    </Drawer>
  );
}

const NotBegun = ({ node }: { node: RunNode }) => (
  <Stack>
    <Text size="sm">Nothing has been given to this node yet: the run has not started.</Text>
    <To to="/nodes/$name" params={{ name: node.name }}>
      The node
    </To>
  </Stack>
);

function TaskDetail({ run, node, index }: { run: Run; node: RunNode; index: number }) {
  const { data: task, error, refetch } = api.useQuery('get', '/api/v1/tasks/{id}', { params: { path: { id: `${run.id}.${index}` } } });
  if (error) return <ProblemView error={error} retry={() => void refetch()} />;
  if (task === undefined) return <Loading />;
  return (
    <Stack>
      <Group gap="xs">
        <Phase phase={task.phase} size="lg" />
        {task.exitCode !== undefined && task.exitCode !== null && <Text size="sm">exit code {task.exitCode}</Text>}
      </Group>
      {task.reason && (
        <Text size="sm">
          <Ticked text={visibleLine(task.reason)} />
        </Text>
      )}
      <Facts>
        {task.batch !== undefined && task.batch !== null && <Fact name="Batch">{task.batch + 1}</Fact>}
        {task.assignedAt && (
          <Fact name="Given out">
            <Time at={task.assignedAt} />
          </Fact>
        )}
        {task.startedAt && (
          <Fact name="Began">
            <Time at={task.startedAt} />
          </Fact>
        )}
        {task.finishedAt && (
          <Fact name="Ended">
            <Time at={task.finishedAt} />
            {task.startedAt && `, after ${between(task.startedAt, task.finishedAt)}`}
          </Fact>
        )}
      </Facts>
      {(task.warnings ?? []).length > 0 && (
        <Alert
          color="orange"
          title="Warnings"
          p="xs"
          styles={{ title: { color: 'var(--mantine-color-text)' }, message: { color: 'var(--mantine-color-text)' } }}
        >
          <List size="sm">
            {(task.warnings ?? []).map((warning) => (
              <List.Item key={warning}>{visibleLine(warning)}</List.Item>
            ))}
          </List>
        </Alert>
      )}
      <StepTable steps={task.steps ?? []} />
      {task.truncated && <Text size="sm">Output beyond the bound was dropped.</Text>}
      <Group gap="md" fz="sm">
        <To to="/runs/$id" params={{ id: run.id }} search={{ tab: 'output', node: node.name }}>
          Its output
        </To>
        <To to="/nodes/$name" params={{ name: node.name }}>
          The node
        </To>
      </Group>
      {task.finishedAt && <Signed run={run} node={node} index={index} />}
    </Stack>
  );
}

function StepTable({ steps }: { steps: Schemas['StepOutcome'][] }) {
  if (steps.length === 0) return null;
  return (
    <Table verticalSpacing={6} horizontalSpacing="xs" aria-label="Steps">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Step</Table.Th>
          <Table.Th>Outcome</Table.Th>
          <Table.Th ta="right">Took</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {steps.map((step) => (
          <Table.Tr key={step.name} style={{ verticalAlign: 'top' }}>
            <Table.Td>
              {visibleLine(step.name)}
              {step.attempts > 1 && (
                <Text size="xs" c="dimmed">
                  {count(step.attempts, 'attempt')}
                </Text>
              )}
            </Table.Td>
            <Table.Td>
              {step.skipped
                ? 'skipped'
                : step.exitCode === undefined || step.exitCode === null
                  ? 'ended by a signal'
                  : `exit code ${step.exitCode}`}
              {(step.mismatches ?? []).map((mismatch) => (
                <Text key={mismatch} size="xs" c="var(--mantine-color-error)">
                  <Ticked text={visibleLine(mismatch)} />
                </Text>
              ))}
            </Table.Td>
            <Table.Td ta="right" style={{ whiteSpace: 'nowrap' }}>
              {step.skipped ? '' : duration(step.tookMs)}
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

/** The result as the node signed it, judged by the browser. Asked for, since it comes with the whole run's evidence. */
function Signed({ run, node, index }: { run: Run; node: RunNode; index: number }) {
  const [asked, setAsked] = useState(false);
  const { data, error, isFetching } = useQuery({
    queryKey: ['run-result', run.id, index],
    queryFn: async () => {
      const bundle = await unwrap(client.GET('/api/v1/runs/{id}/bundle', { params: { path: { id: run.id } } }));
      return (await findResult(bundle.results, run, index, node)) ?? null;
    },
    enabled: asked,
    staleTime: Infinity,
  });
  return (
    <Stack gap="xs">
      <Title order={3} size="h5">
        Signed result
      </Title>
      {error !== null && <ProblemView error={error} />}
      {data === undefined && (
        <Button variant="default" onClick={() => setAsked(true)} loading={isFetching} style={{ alignSelf: 'flex-start' }}>
          Check what the node signed
        </Button>
      )}
      {data === null && <Text size="sm">The node signed no result: it was given up, or never began.</Text>}
      {data && (
        <>
          <Group gap={8} wrap="nowrap">
            {data.verifies ? (
              <IconShieldCheck size={20} style={{ flexShrink: 0 }} color="var(--mantine-color-teal-6)" aria-hidden />
            ) : (
              <IconShieldX size={20} style={{ flexShrink: 0 }} color="var(--mantine-color-error)" aria-hidden />
            )}
            <Text size="sm">
              {data.verifies === true
                ? 'Checked by your browser: the signature is by the key below, over what is shown.'
                : data.verifies === false
                  ? 'The signature does not fit. Do not believe this result; tell whoever runs the server.'
                  : 'This browser does not know the scheme of the signature. Check the bundle with `synod verify run`.'}
            </Text>
          </Group>
          <Facts>
            <Fact name="Phase">{data.statement.phase}</Fact>
            <Fact name="Exit code">{data.statement.exitCode}</Fact>
            <Fact name="Ended">
              <Time at={data.statement.finishedAt} /> by the node’s clock
            </Fact>
            <Fact name="Output">{data.statement.outputDigest && <Code>{data.statement.outputDigest}</Code>}</Fact>
            <Fact name="Key">
              <Code>{data.key}</Code>
            </Fact>
          </Facts>
        </>
      )}
    </Stack>
  );
}
