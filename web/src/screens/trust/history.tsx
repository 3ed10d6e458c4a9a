import { Card, Group, List, Stack, Text, Title } from '@mantine/core';
import { api } from '~/api/client';
import { Copy } from '~/components/command';
import { Loading } from '~/components/loading';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { changesBetween, docOf, type TrustRoot } from './root';
import classes from './trust.module.css';

/** Every published version, newest first, and what each changed. */
export function History({ newest }: { newest: number }) {
  const { data, error, refetch } = api.useQuery('get', '/api/v1/trust/roots');
  if (error) return <ProblemView error={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  return (
    <Stack component="ol" className={classes.list ?? ''}>
      {[...data.roots].reverse().map((root) => (
        <li key={root.version}>
          <Version root={root} before={data.roots.find((one) => one.version === root.version - 1)} newest={root.version === newest} />
        </li>
      ))}
    </Stack>
  );
}

function Version({ root, before, newest }: { root: TrustRoot; before: TrustRoot | undefined; newest: boolean }) {
  const changes = before ? changesBetween(docOf(before), docOf(root)) : [];
  return (
    <Card>
      <Stack gap="xs">
        <Title order={2} size="h4">
          Version {root.version}
          {newest && ', in force'}
        </Title>
        <Text size="sm">
          Signed by {root.signedBy.join(', ')}; published <Time at={root.publishedAt} /> by {root.publishedBy};{' '}
          {newest ? 'expires' : 'would have expired'} <Time at={root.expiresAt} />.
        </Text>
        <Group gap={4} wrap="nowrap">
          <span className={classes.mono}>{root.digest}</span>
          <Copy text={root.digest} label={`Copy the digest of version ${root.version}`} />
        </Group>
        {before ? (
          <List size="sm" spacing={2}>
            {changes.length === 0 && <List.Item>Nothing but the dates changed.</List.Item>}
            {changes.map((line) => (
              <List.Item key={line}>{line}</List.Item>
            ))}
          </List>
        ) : (
          <Text size="sm">The first.</Text>
        )}
      </Stack>
    </Card>
  );
}
