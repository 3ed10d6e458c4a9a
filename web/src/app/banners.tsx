import { Alert, Anchor, Button, Group, Stack } from '@mantine/core';
import { IconFlame, IconPlugConnectedX } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { api } from '~/api/client';
import { live, useConnection } from '~/lib/live';
import { titleOf } from '~/lib/text';

/** What everybody should see, whatever the screen: a lost connection, starts nobody has ratified. */
export function Banners() {
  return (
    <Stack gap="xs" mb="xs">
      <Connection />
      <Unratified />
    </Stack>
  );
}

function Connection() {
  const state = useConnection();
  const [patient, setPatient] = useState(true);
  // A blink is not worth a banner.
  useEffect(() => {
    if (state !== 'lost') return setPatient(true);
    const timer = window.setTimeout(() => setPatient(false), 1500);
    return () => window.clearTimeout(timer);
  }, [state]);
  if (state !== 'lost' || patient) return null;
  return (
    <Alert
      color="orange"
      icon={<IconPlugConnectedX aria-hidden />}
      role="status"
      p="xs"
      styles={{ message: { color: 'var(--mantine-color-text)' } }}
    >
      <Group justify="space-between" gap="xs">
        The connection is lost. What you see may be old; it goes on by itself once the server answers.
        <Button size="compact-sm" mih={36} variant="default" onClick={() => live.retry()}>
          Try now
        </Button>
      </Group>
    </Alert>
  );
}

function Unratified() {
  const { data } = api.useQuery('get', '/api/v1/runs', { params: { query: { unratified: true, limit: 10 } } });
  const runs = data?.items ?? [];
  if (runs.length === 0) return null;
  return (
    <Alert color="red" icon={<IconFlame aria-hidden />} p="xs" styles={{ message: { color: 'var(--mantine-color-text)' } }}>
      Started by break-glass and not ratified yet:{' '}
      {runs.map((run, n) => (
        <span key={run.id}>
          {n > 0 && ', '}
          <Anchor component={Link} to={`/runs/${run.id}`} c="inherit" td="underline" inherit>
            {titleOf(run)} by {run.requester}
          </Anchor>
        </span>
      ))}
    </Alert>
  );
}
