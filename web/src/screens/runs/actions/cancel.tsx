import { Text, Textarea } from '@mantine/core';
import { useState } from 'react';
import { client, unwrap } from '~/api/client';
import { Confirm } from '~/components/confirm';
import { titleOf } from '~/lib/text';
import { takeRun } from '../data';
import { phaseOf, type Run } from '../logic/types';
import { count } from '../logic/words';

/** Asks whether to cancel a run, and why. */
export function CancelRun({ run, opened, close }: { run: Run; opened: boolean; close: () => void }) {
  const [reason, setReason] = useState('');
  const running = phaseOf(run) === 'running';
  const going = run.tasks.started + run.tasks.assigned;
  return (
    <Confirm
      opened={opened}
      close={close}
      title="Cancel this run?"
      what="Cancel the run"
      act={async () =>
        takeRun(
          await unwrap(client.POST('/api/v1/runs/{id}/cancel', { params: { path: { id: run.id } }, body: { reason: reason.trim() } })),
        )
      }
    >
      <Text size="sm">
        {running
          ? `“${titleOf(run)}” ends: it is broken off on ${count(going, 'node')} where it runs now, and does not begin on those that wait. What is done stays done.`
          : `“${titleOf(run)}” does not start on any of its ${count(run.nodeCount, 'node')}.`}
      </Text>
      <Textarea
        label="Why"
        description="Kept with the run; you may leave it out."
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
        autosize
        minRows={2}
        maxLength={2000}
      />
    </Confirm>
  );
}
