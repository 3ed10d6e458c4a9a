import { Badge, Button, Card, Group, Stack, Text, Title } from '@mantine/core';
import { useState } from 'react';
import { api, client, type Schemas } from '~/api/client';
import { invalidate } from '~/api/query';
import { Confirm } from '~/components/confirm';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { useEvents } from '~/lib/live';
import { useCan } from '~/session/session';
import { written } from './labels';

type JoinToken = Schemas['JoinToken'];

/** Whether machines can still join with it. */
const open = (token: JoinToken, now = Date.now()): boolean =>
  !token.revokedAt && token.usesLeft > 0 && new Date(token.expiresAt).getTime() > now;

/** The join tokens that can still be used, for those who may see them. */
export function JoinTokens() {
  const may = useCan('join-token.read');
  const mayRevoke = useCan('join-token.write');
  const found = api.useQuery('get', '/api/v1/join-tokens', {}, { enabled: may === true });
  useEvents((event) => {
    if (event.type.startsWith('synod.join_token.')) invalidate('/api/v1/join-tokens');
  });
  const [revoking, setRevoking] = useState<JoinToken>();
  if (!may) return null;
  const tokens = found.data?.items.filter((token) => open(token)) ?? [];
  if (found.error === null && tokens.length === 0) return null;
  return (
    <Stack gap="xs" component="section" aria-labelledby="join-tokens">
      <Title order={2} size="h4" id="join-tokens">
        Open join tokens
      </Title>
      {found.error !== null && <ProblemView error={found.error} retry={() => void found.refetch()} />}
      {tokens.map((token) => (
        <Card key={token.id} p="sm">
          <Group justify="space-between" gap="sm">
            <Stack gap={4}>
              <Group gap={6}>
                {Object.entries(token.labels).map((label) => (
                  <Badge key={label[0]} variant="default" tt="none" radius="sm">
                    {written(label)}
                  </Badge>
                ))}
                {Object.keys(token.labels).length === 0 && <Text size="sm">Without labels</Text>}
              </Group>
              <Text size="sm" c="dimmed">
                {token.id}, for {token.usesLeft === 1 ? 'one more machine' : `${token.usesLeft} more machines`}, ends{' '}
                <Time at={token.expiresAt} ago />, by {token.createdBy}
              </Text>
            </Stack>
            {mayRevoke && (
              <Button variant="default" onClick={() => setRevoking(token)} aria-label={`Revoke the join token ${token.id}`}>
                Revoke
              </Button>
            )}
          </Group>
        </Card>
      ))}
      <Confirm
        opened={revoking !== undefined}
        close={() => setRevoking(undefined)}
        title="Revoke the join token?"
        what={`Revoke ${revoking?.id ?? ''}`}
        act={async () => {
          await client.DELETE('/api/v1/join-tokens/{id}', { params: { path: { id: revoking?.id ?? '' } } });
          invalidate('/api/v1/join-tokens');
        }}
      >
        <Text size="sm">No further machine can join with it. Nodes that joined with it stay.</Text>
      </Confirm>
    </Stack>
  );
}
