import { ActionIcon, Alert, Button, Group, Menu, Text } from '@mantine/core';
import {
  IconArrowsDiff,
  IconBan,
  IconDots,
  IconDownload,
  IconFileAlert,
  IconFlame,
  IconPlayerPlay,
  IconRepeat,
  IconSignature,
} from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { Phase } from '~/components/phase';
import { Time } from '~/components/time';
import { href } from '~/lib/base';
import { between } from '~/lib/time';
import { useCan, useMe } from '~/session/session';
import { CancelRun } from './actions/cancel';
import { RecordIncident } from './actions/incident';
import { Proceed } from './actions/proceed';
import { Replay } from './actions/replay';
import { ratifiersOptions } from './data';
import { type Asked, DecideSheet } from './decide/decide';
import { visible, visibleLine } from '~/lib/text';
import { hasEnded, phaseOf, type Run } from './logic/types';
import { count, RATIFICATION } from './logic/words';

/** Where a run stands and since when, in a line or two. */
export function RunStatus({ run, about }: { run: Run; about: string }) {
  return (
    <>
      {about !== '' && <Text size="sm">{visible(about)}</Text>}
      <Group gap="xs" mt={6}>
        <Phase phase={run.phase} size="lg" />
        {run.cancelling && !hasEnded(run) && <Text size="sm">is being cancelled</Text>}
        {/* One text: on a phone it stands below the phase as a whole. */}
        <Text size="sm">
          {run.requester} asked <Time at={run.createdAt} ago /> for {count(run.nodeCount, 'node')}
          {run.startedAt && (
            <>
              {' '}
              · started <Time at={run.startedAt} />
              {run.finishedAt && `, took ${between(run.startedAt, run.finishedAt)}`}
            </>
          )}
          {!run.startedAt && run.finishedAt && (
            <>
              {' '}
              · ended <Time at={run.finishedAt} ago />
            </>
          )}
        </Text>
      </Group>
      {run.message && (
        <Text size="sm" mt={4}>
          {visibleLine(run.message)}
        </Text>
      )}
    </>
  );
}

type Opened = 'cancel' | 'incident' | 'proceed' | 'replay' | undefined;

/** What can be done with a run besides deciding on it. */
export function RunActions({ run }: { run: Run }) {
  const me = useMe();
  const navigate = useNavigate();
  const where = { namespace: run.namespace, template: run.template };
  const mayCancel = useCan('run.cancel', where);
  const mayProceed = useCan('run.proceed', where);
  const mayRequest = useCan('run.request', where);
  const [opened, setOpened] = useState<Opened>();
  const close = () => setOpened(undefined);
  const ended = hasEnded(run);
  const cancel = !ended && !run.cancelling && (mayCancel || run.requester === me.user);
  const before = run.comparison?.run;
  return (
    <>
      {run.atGate && mayProceed && (
        <Button leftSection={<IconPlayerPlay size={18} aria-hidden />} onClick={() => setOpened('proceed')}>
          Let it go on
        </Button>
      )}
      {cancel && (
        <Button variant="default" leftSection={<IconBan size={18} aria-hidden />} onClick={() => setOpened('cancel')}>
          Cancel
        </Button>
      )}
      {mayRequest && (
        <Button variant="default" leftSection={<IconRepeat size={18} aria-hidden />} onClick={() => setOpened('replay')}>
          Replay
        </Button>
      )}
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon size={36} variant="default" aria-label="More about this run">
            <IconDots size={18} aria-hidden />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item
            leftSection={<IconArrowsDiff size={16} aria-hidden />}
            disabled={before === undefined}
            onClick={() => before !== undefined && void navigate({ to: '/runs/$id/compare/$other', params: { id: run.id, other: before } })}
          >
            {before === undefined ? 'Nothing to compare with' : 'Compare with the last time'}
          </Menu.Item>
          <Menu.Item
            component="a"
            href={href(`api/v1/runs/${run.id}/bundle`)}
            download={`${run.id}.bundle.json`}
            leftSection={<IconDownload size={16} aria-hidden />}
          >
            Download the evidence (bundle)
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <CancelRun run={run} opened={opened === 'cancel'} close={close} />
      <Proceed run={run} opened={opened === 'proceed'} close={close} />
      <Replay run={run} opened={opened === 'replay'} close={close} />
    </>
  );
}

/** What must be said of a run that was started by break-glass, and done about it. */
export function BreakGlass({ run }: { run: Run }) {
  const me = useMe();
  const mayApprove = useCan('run.approve', { namespace: run.namespace, template: run.template });
  const [asked, setAsked] = useState<Asked>();
  const [incident, setIncident] = useState(false);
  const unratified = run.ratification === 'unratified';
  const { data: by = [] } = useQuery({ ...ratifiersOptions(run.id), enabled: unratified });
  if (!run.breakGlass) return null;
  const pending = phaseOf(run) === 'pending';
  return (
    <Alert
      color={unratified || pending ? 'red' : 'orange'}
      icon={<IconFlame aria-hidden />}
      styles={{ message: { color: 'var(--mantine-color-text)' } }}
    >
      <Text size="sm">
        Break-glass by rule {run.breakGlass}: {run.requester} {pending ? 'means to start' : 'started'} this without waiting for others
        {run.ratification ? `; ${RATIFICATION[run.ratification]}` : ''}.
        {unratified && by.length > 0 && ` So far by ${by.join(', ')}; it takes as many as would have had to approve it.`}
      </Text>
      {unratified && mayApprove && (
        <Group gap="xs" mt="xs">
          {me.user !== run.requester && !by.includes(me.user) && (
            <Button color="teal.9" leftSection={<IconSignature size={18} aria-hidden />} onClick={() => setAsked('ratify')}>
              Ratify
            </Button>
          )}
          <Button variant="default" leftSection={<IconFileAlert size={18} aria-hidden />} onClick={() => setIncident(true)}>
            Record an incident
          </Button>
        </Group>
      )}
      <DecideSheet run={run} asked={asked} close={() => setAsked(undefined)} />
      <RecordIncident run={run} opened={incident} close={() => setIncident(false)} />
    </Alert>
  );
}
