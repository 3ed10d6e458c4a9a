import { Alert, Drawer, Group, Stack, Text, Title } from '@mantine/core';
import { IconKey } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { api, type Schemas } from '~/api/client';
import { AnchorLink, ButtonLink } from '~/components/links';
import { Loading } from '~/components/loading';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { useMe } from '~/session/session';
import { either, visibleLine } from '~/lib/text';
import classes from './access.module.css';
import { useMay } from './may';
import { usePhone, useThings } from './objects';
import { AccountMarks, Until } from './parts';
import { PersonActions } from './person-actions';
import { groupsOf, heldBy, where } from './words';

/** One account: what it is, what it holds, its keys, and what can be done about it. */
export function Person({ name, close }: { name: string; close: () => void }) {
  const phone = usePhone();
  const { data, error, refetch } = api.useQuery('get', '/api/v1/users/{name}', { params: { path: { name } } });
  const write = useMay('user.write');
  return (
    <Drawer
      opened
      onClose={close}
      position="right"
      size={phone ? '100%' : 'lg'}
      title={`Account ${name}`}
      closeButtonProps={{ 'aria-label': 'Close', size: 36 }}
    >
      {error && <ProblemView error={error} retry={() => void refetch()} />}
      {!data && !error && <Loading />}
      {data && (
        <Stack gap="lg">
          <Facts user={data} />
          <Held name={name} />
          <Keys name={name} machine={data.serviceAccount} />
          {write.allowed && <PersonActions user={data} />}
        </Stack>
      )}
    </Drawer>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Stack gap="xs" component="section">
      <Title order={3} size="h5">
        {title}
      </Title>
      {children}
    </Stack>
  );
}

function Facts({ user }: { user: Schemas['User'] }) {
  return (
    <dl className={classes.facts}>
      <dt>Name for people</dt>
      <dd>{visibleLine(user.displayName || 'none given')}</dd>
      <dt>State</dt>
      <dd>
        <Group gap={6}>
          {user.enabled && 'enabled'}
          <AccountMarks user={user} />
        </Group>
      </dd>
      {!user.serviceAccount && (
        <>
          <dt>Second factor</dt>
          <dd>{user.totpEnrolled ? 'an authenticator app' : 'no authenticator app; a passkey below counts as one too'}</dd>
        </>
      )}
      <dt>Since</dt>
      <dd>
        <Time at={user.createdAt} />
      </dd>
    </dl>
  );
}

function Held({ name }: { name: string }) {
  const bindings = useThings('rolebindings');
  const groups = useThings('groups');
  const give = useMay('rolebinding.write');
  const held = heldBy(name, bindings.things, groups.things);
  const within = groupsOf(name, groups.things);
  const error = bindings.error ?? groups.error;
  return (
    <Section title="Roles and groups">
      {error && <ProblemView error={error} />}
      {held.length === 0 && !bindings.isPending && (
        <Text size="sm" c="dimmed">
          No role that you can see: signed in, they would see nothing yet.
        </Text>
      )}
      {held.map(({ binding, through }) => (
        <Group key={`${binding.namespace}/${binding.name}/${through ?? ''}`} gap={6}>
          <Text size="sm">
            <b>{binding.spec.role}</b> {where(binding.namespace)}
            {through && `, through group ${through}`}
          </Text>
          <Until expires={binding.spec.expires} />
        </Group>
      ))}
      <Text size="sm">
        {within.length > 0 ? `In ${within.length === 1 ? 'group' : 'the groups'} ${either(within, 'and')}.` : 'In no group.'}
      </Text>
      <Group gap="sm">
        {give.allowed && (
          <ButtonLink to="/access" search={{ tab: 'roles', give: `user:${name}` }} variant="default">
            Give a role
          </ButtonLink>
        )}
        <AnchorLink to="/access" search={{ tab: 'matrix', person: name }} size="sm" className={classes.pick ?? ''}>
          What they may do, and why
        </AnchorLink>
      </Group>
    </Section>
  );
}

function Keys({ name, machine }: { name: string; machine: boolean }) {
  const me = useMe();
  const { data, error } = api.useQuery('get', '/api/v1/users/{name}/keys', { params: { path: { name } } });
  if (machine) return null;
  return (
    <Section title="Registered keys">
      {error && <ProblemView error={error} />}
      {data?.keys.length === 0 && (
        <Text size="sm" c="dimmed">
          None yet. {me.user === name ? 'You add' : 'They add'} passkeys and SSH keys under{' '}
          {me.user === name ? (
            <AnchorLink to="/me" inherit td="underline">
              Me
            </AnchorLink>
          ) : (
            'Me'
          )}
          .
        </Text>
      )}
      {data?.keys.map((key) => (
        <Group key={key.keyId} gap="xs" wrap="nowrap" align="flex-start">
          <IconKey size={16} aria-hidden style={{ flexShrink: 0, marginTop: 4 }} />
          <div>
            <Text size="sm">
              {key.name} ({key.kind === 'passkey' ? 'passkey' : 'SSH key'}), since <Time at={key.createdAt} />
            </Text>
            <div className={classes.mono}>{key.keyId}</div>
          </div>
        </Group>
      ))}
      {data && data.keys.length > 0 && (
        <Alert color="blue" p="xs" styles={{ message: { color: 'var(--mantine-color-text)' } }}>
          These are what the account says. Before you put one into a trust root, compare its id with{' '}
          {me.user === name ? 'your own key' : name} in person.
        </Alert>
      )}
    </Section>
  );
}
