import { Alert, Button, Card, Group, Stack, Text, Title } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconAlertOctagon, IconRefresh, IconShieldCheck } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { api } from '~/api/client';
import { ApiError, CODE } from '~/api/problem';
import { Confirm } from '~/components/confirm';
import { Command } from '~/components/command';
import { Empty } from '~/components/empty';
import { Loading } from '~/components/loading';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import classes from './audit.module.css';
import { hex } from './bytes';
import { checkHead, type CheckedHead, headHolds, WRONG } from './check';
import { forget, recall, remember } from './memory';
import { readTile } from './read';
import { Checked, Hash } from './step';
import { growth, SIGNATURE } from './words';

/** The log's key, as the server says it. */
export const useLogKey = () => api.useQuery('get', '/audit/key', { parseAs: 'text' }, { select: (line: string) => line.trimEnd() });

/** Checks a head, and remembers it when it holds and is not older than what is remembered. */
async function judge(note: string, key: string): Promise<CheckedHead> {
  const checked = await checkHead(note, key, recall(), readTile);
  if (headHolds(checked) && checked.growth !== 'older') remember({ key, note, at: new Date().toISOString() });
  return checked;
}

/** The newest signed head of the log, and whether it follows from the one before. */
export function LogHead() {
  const note = api.useQuery('get', '/audit/checkpoint', { parseAs: 'text' }, { retry: false });
  const key = useLogKey();
  const checked = useQuery({
    queryKey: ['audit', 'head', note.data, key.data],
    queryFn: () => judge(note.data ?? '', key.data ?? ''),
    enabled: note.data !== undefined && key.data !== undefined,
    staleTime: Infinity,
    retry: false,
  });
  const error = note.error ?? key.error ?? checked.error;
  if (error instanceof ApiError && error.code === CODE.notFound) {
    return (
      <Empty icon={IconShieldCheck} title="Nothing is logged yet">
        The first events come into the log moments after the server’s first start.
      </Empty>
    );
  }
  return (
    <Card component="section" aria-label="The log’s head">
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4">
          The log’s head
        </Title>
        <Button
          variant="default"
          leftSection={<IconRefresh size={16} aria-hidden />}
          loading={note.isFetching}
          onClick={() => void note.refetch()}
        >
          Read it again
        </Button>
      </Group>
      {error && (
        <ProblemView error={error} retry={() => void (note.error ? note.refetch() : key.error ? key.refetch() : checked.refetch())} />
      )}
      {!error && checked.data === undefined && <Loading />}
      {checked.data && note.data && key.data && <Shown checked={checked.data} note={note.data} logKey={key.data} />}
    </Card>
  );
}

function Shown({ checked, note, logKey }: { checked: CheckedHead; note: string; logKey: string }) {
  const { head } = checked;
  const signature = SIGNATURE[checked.signature];
  const grown = growth(checked);
  const [asking, { open, close }] = useDisclosure(false);
  const queries = useQueryClient();
  return (
    <Stack>
      {WRONG.includes(checked.growth) && (
        <Alert
          color="red"
          role="alert"
          icon={<IconAlertOctagon aria-hidden />}
          title="The log is not what this browser saw before"
          styles={{ title: { color: 'var(--mantine-color-text)' }, message: { color: 'var(--mantine-color-text)' } }}
        >
          <Stack gap="xs" align="flex-start">
            <Text size="sm">{grown.words}</Text>
            <Text size="sm">
              Tell who runs this server, and keep what is below: both heads are evidence. Only when you know why, such as a restored backup,
              take the new head.
            </Text>
            {checked.before && <Command text={checked.before.note} label="Copy the head seen before" />}
            <Button variant="default" onClick={open}>
              Take the new head
            </Button>
          </Stack>
        </Alert>
      )}
      <dl className={classes.pairs}>
        <div>
          <dt>Events</dt>
          <dd>{head.size}</dd>
        </div>
        <LastEvent size={head.size} />
        <div>
          <dt>Root</dt>
          <dd>
            <Hash>{hex(head.root)}</Hash>
          </dd>
        </div>
        <div>
          <dt>Key</dt>
          <dd>
            <Hash>{logKey}</Hash>
          </dd>
        </div>
      </dl>
      <ul className={classes.steps}>
        <Checked outcome={signature.outcome} title="Signature">
          {signature.words}
        </Checked>
        <Checked outcome={grown.outcome} title="Compared with what was seen before">
          {grown.words}
          {checked.before && (
            <Text size="xs" c="dimmed">
              Seen <Time at={checked.before.at} />
            </Text>
          )}
        </Checked>
      </ul>
      <details>
        <summary>The head as it is signed</summary>
        <Command text={note} label="Copy the head" />
      </details>
      <Confirm
        opened={asking}
        close={close}
        title="Take the new head?"
        what="Forget the head seen before"
        act={() => {
          forget();
          return queries.resetQueries({ queryKey: ['audit'] });
        }}
      >
        <Text size="sm">
          This browser then forgets the head of {checked.before?.size} events that it saw, and compares with the new one from now on. Copy
          the old one first: it may be the only evidence.
        </Text>
      </Confirm>
    </Stack>
  );
}

/** When the last event of the log was; shown to those who may see that event. */
function LastEvent({ size }: { size: number }) {
  const { data } = api.useQuery(
    'get',
    '/api/v1/audit/proofs/{position}',
    { params: { path: { position: size } } },
    { retry: false, enabled: size > 0 },
  );
  if (data === undefined) return null;
  return (
    <div>
      <dt>Last event</dt>
      <dd>
        <Time at={data.event.time} />, {data.event.type}
      </dd>
    </div>
  );
}
