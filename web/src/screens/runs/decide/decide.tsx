import { Alert, Button, Group, Stack, Text, Textarea } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import { IconKey, IconTerminal2 } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Command } from '~/components/command';
import { Loading } from '~/components/loading';
import { ProblemView } from '~/components/problem';
import { useMe } from '~/session/session';
import { titleOf } from '~/lib/text';
import { takeRun } from '../data';
import { To } from '../link';
import { shellQuote } from '../logic/script';
import type { Decision, Run } from '../logic/types';
import { count } from '../logic/words';
import { Checked, Said, useChecked } from './checked';
import { askOrder, decide, ratify } from './sign';
import { Sheet } from './sheet';

/** What is asked about a run: approve, reject, or approve after the fact. */
export type Asked = Decision | 'ratify';

const WORDS: Record<Asked, { what: string; done: string; command: string }> = {
  approve: { what: 'Approve', done: 'approved', command: 'approve' },
  reject: { what: 'Reject', done: 'rejected', command: 'reject' },
  ratify: { what: 'Ratify', done: 'ratified', command: 'ratify' },
};

/** Asks whether a decision is meant; shows what is signed, and signs it. */
export function DecideSheet({ run, asked, close }: { run: Run; asked: Asked | undefined; close: () => void }) {
  // What was asked stays while the sheet slides away.
  const [last, setLast] = useState<Asked>('approve');
  if (asked !== undefined && asked !== last) setLast(asked);
  const title = titleOf(run);
  return (
    <Sheet opened={asked !== undefined} close={close} title={`${WORDS[last].what}: ${title}`}>
      {asked !== undefined && <Question key={asked} run={run} asked={asked} close={close} />}
    </Sheet>
  );
}

function Question({ run, asked, close }: { run: Run; asked: Asked; close: () => void }) {
  const me = useMe();
  const narrow = useMediaQuery('(max-width: 48em)');
  const words = WORDS[asked];
  const decision: Decision = asked === 'reject' ? 'reject' : 'approve';
  const ratifies = asked === 'ratify';
  const [comment, setComment] = useState('');
  const [missing, setMissing] = useState(false);
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<unknown>();
  const checked = useChecked(run, true);
  const mustSign = ratifies || (run.signing !== undefined && run.signing !== null);
  // Asked without a comment, only to know with what the decision can be signed.
  const order = useQuery({
    queryKey: ['run-signing', run.id, asked],
    queryFn: () => askOrder(run.id, { decision, comment: '', ratifies }),
    enabled: mustSign,
    gcTime: 0,
    retry: false,
  });
  if (mustSign && order.isPending) return <Loading />;
  const signed = mustSign && order.data?.needed !== false;
  const keyless = signed && order.data !== undefined && (order.data.credentials.length === 0 || !order.data.rpId);

  const act = async () => {
    const text = comment.trim();
    if (asked === 'reject' && text === '') return setMissing(true);
    setBusy(true);
    setFailed(undefined);
    try {
      const meant = { decision, comment: text, person: me.user, ratifies };
      takeRun(ratifies ? await ratify(run, meant) : await decide(run, meant, signed));
      notifications.show({
        message: `You ${words.done} “${titleOf(run)}” on ${count(run.nodeCount, 'node')}.`,
        color: asked === 'reject' ? 'red' : 'teal',
      });
      close();
    } catch (cause) {
      setFailed(cause);
    } finally {
      setBusy(false);
    }
  };

  const command = `synod ${words.command} ${run.id}${comment.trim() === '' ? '' : ` --comment ${shellQuote(comment.trim())}`}`;
  return (
    <Stack gap="sm">
      <Said run={run} what={words.what.toLowerCase()} person={me.user} signed={signed} />
      <Checked run={run} />
      {order.error !== null && <ProblemView error={order.error} retry={() => void order.refetch()} />}
      <Textarea
        label="Comment"
        description={asked === 'reject' ? 'Why; the requester reads it, and it is kept.' : 'Kept with your decision; you may leave it out.'}
        required={asked === 'reject'}
        error={missing && comment.trim() === '' ? 'Say why, so that the requester knows what to change.' : undefined}
        value={comment}
        onChange={(event) => setComment(event.currentTarget.value)}
        autosize
        minRows={2}
        maxRows={6}
        maxLength={2000}
      />
      {keyless && <ByCommand command={command} />}
      {failed !== undefined && <ProblemView error={failed} />}
      <Text size="sm">{effect(asked, run)} It cannot be taken back.</Text>
      <Group grow>
        <Button variant="default" size="md" onClick={close}>
          Back
        </Button>
        <Button
          size="md"
          color={asked === 'reject' ? 'red' : 'teal.9'}
          loading={busy}
          disabled={keyless || order.error !== null || checked.data !== true}
          px="xs"
          fz={narrow ? 'sm' : undefined}
          leftSection={signed && !narrow ? <IconKey size={18} aria-hidden /> : undefined}
          onClick={() => void act()}
        >
          {signed ? `Sign and ${words.what.toLowerCase()}` : words.what}
        </Button>
      </Group>
    </Stack>
  );
}

function effect(asked: Asked, run: Run): string {
  if (asked === 'ratify') return 'Your signature says afterwards that this start was right.';
  if (asked === 'reject')
    return (run.manifest.approval.rejections ?? 1) <= 1 ? 'Your rejection ends the request.' : 'Your rejection counts against the request.';
  if (run.manifest.breakGlass) return 'The run starts as soon as you have signed, without anybody else.';
  return run.notBefore ? 'With enough approvals the run starts at its time.' : 'With enough approvals the run starts at once.';
}

/** There is no passkey to sign with here: what to do instead. */
function ByCommand({ command }: { command: string }) {
  return (
    <Alert
      color="blue"
      icon={<IconTerminal2 aria-hidden />}
      title="Sign on the command line"
      styles={{ title: { color: 'var(--mantine-color-text)' }, message: { color: 'var(--mantine-color-text)' } }}
    >
      <Stack gap="xs">
        <Text size="sm">
          This decision must be signed, and the trust root holds no passkey of yours. Your SSH key signs it where it is kept:
        </Text>
        <Command text={command} />
        <Text size="sm">
          To decide here the next time, register a passkey under{' '}
          <To to="/me" search={{ tab: 'sign-in' }} c="var(--mantine-color-text)">
            Me
          </To>{' '}
          and have the holders of the trust root put it in.
        </Text>
      </Stack>
    </Alert>
  );
}
