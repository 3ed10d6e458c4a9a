import { Text } from '@mantine/core';
import { client, unwrap } from '~/api/client';
import { Confirm } from '~/components/confirm';
import { titleOf } from '~/lib/text';
import { takeRun } from '../data';
import type { Run } from '../logic/types';
import { count, counts } from '../logic/words';

/** Asks whether the next batch may go. */
export function Proceed({ run, opened, close }: { run: Run; opened: boolean; close: () => void }) {
  const next = run.batches[run.batch] ?? 0;
  return (
    <Confirm
      opened={opened}
      close={close}
      title="Let it go on?"
      what={`Go on with ${count(next, 'node')}`}
      color="indigo"
      act={async () =>
        // At this gate only, should somebody else have let it go meanwhile.
        takeRun(
          await unwrap(
            client.POST('/api/v1/runs/{id}/proceed', { params: { path: { id: run.id }, header: { 'If-Match': `"${run.batch}"` } } }),
          ),
        )
      }
    >
      <Text size="sm">
        “{titleOf(run)}” waits after batch {run.batch} of {run.batches.length}: {counts(run.tasks)}. The next batch is {count(next, 'node')}
        .
      </Text>
    </Confirm>
  );
}
