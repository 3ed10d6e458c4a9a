import { Text, Textarea, TextInput } from '@mantine/core';
import { useState } from 'react';
import { client, unwrap } from '~/api/client';
import { Confirm } from '~/components/confirm';
import { takeRun } from '../data';
import type { Run } from '../logic/types';

/** Records an incident for a break-glass start that nobody will ratify. */
export function RecordIncident({ run, opened, close }: { run: Run; opened: boolean; close: () => void }) {
  const [reference, setReference] = useState('');
  const [comment, setComment] = useState('');
  return (
    <Confirm
      opened={opened}
      close={close}
      title="Record an incident?"
      what="Record the incident"
      disabled={reference.trim() === ''}
      act={async () =>
        takeRun(
          await unwrap(
            client.POST('/api/v1/runs/{id}/incident', {
              params: { path: { id: run.id } },
              body: { reference: reference.trim(), comment: comment.trim() },
            }),
          ),
        )
      }
    >
      <Text size="sm">
        {run.requester} started this by break-glass. Recording an incident closes it without anybody’s approval after the fact; that cannot
        be taken back.
      </Text>
      <TextInput
        label="Where the incident is kept"
        description="A ticket or an address."
        required
        value={reference}
        onChange={(event) => setReference(event.currentTarget.value)}
      />
      <Textarea
        label="What happened"
        value={comment}
        onChange={(event) => setComment(event.currentTarget.value)}
        autosize
        minRows={2}
        maxLength={2000}
      />
    </Confirm>
  );
}
