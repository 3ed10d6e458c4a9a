import { Button, Card, Group, Text } from '@mantine/core';
import { IconPlayerPlay } from '@tabler/icons-react';
import { useState } from 'react';
import { api } from '~/api/client';
import { useCan } from '~/session/session';
import { titleOf } from '~/lib/text';
import { Proceed } from '../runs/actions/proceed';
import { To } from '../runs/link';
import type { RunSummary } from '../runs/logic/types';
import { RunProgress } from '../runs/progress';

/** A run that waits at a gate, for those who may let it go on; nothing for others. */
export function GateCard({ run: summary }: { run: RunSummary }) {
  const may = useCan('run.proceed', { namespace: summary.namespace, template: summary.template });
  const { data: run } = api.useQuery('get', '/api/v1/runs/{id}', { params: { path: { id: summary.id } } }, { enabled: may === true });
  const [opened, setOpened] = useState(false);
  if (!may || !run?.atGate) return null;
  return (
    <Card component="article" aria-label={`${titleOf(run)} waits at a gate`}>
      <Group justify="space-between" gap="xs" mb="xs">
        <Text fw={600}>
          <To to="/runs/$id" params={{ id: run.id }} search={{}} c="inherit">
            {titleOf(run)}
          </To>{' '}
          waits at a gate
        </Text>
        <Button size="md" leftSection={<IconPlayerPlay size={18} aria-hidden />} onClick={() => setOpened(true)}>
          Let it go on
        </Button>
      </Group>
      <RunProgress run={run} />
      <Proceed run={run} opened={opened} close={() => setOpened(false)} />
    </Card>
  );
}
