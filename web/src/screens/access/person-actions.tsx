import { Button, Group, Stack, Text, TextInput, Title } from '@mantine/core';
import { useState } from 'react';
import { client, type Schemas } from '~/api/client';
import { Confirm } from '~/components/confirm';
import { atField } from '~/components/fields';
import { PasswordField } from '~/components/password-field';
import { useMe } from '~/session/session';
import classes from './access.module.css';
import { changed } from './objects';
import { Suggest } from './password';

type User = Schemas['User'];
type Act = 'name' | 'password' | 'totp' | 'passkeys' | 'enabled';

async function update(name: string, body: Schemas['UserChange']): Promise<void> {
  await client.PATCH('/api/v1/users/{name}', { params: { path: { name } }, body });
  changed();
}

/** What an owner can do about an account; each asks first and says what follows. */
export function PersonActions({ user }: { user: User }) {
  const me = useMe();
  const [act, setAct] = useState<Act>();
  const close = () => setAct(undefined);
  const mine = me.user === user.name;
  return (
    <Stack gap="xs" component="section">
      <Title order={3} size="h5">
        Change the account
      </Title>
      <Group gap="xs">
        <Button variant="default" onClick={() => setAct('name')}>
          Change the name for people
        </Button>
        {!user.serviceAccount && (
          <Button variant="default" onClick={() => setAct('password')}>
            Set a password
          </Button>
        )}
        {user.totpEnrolled && (
          <Button variant="default" onClick={() => setAct('totp')}>
            Reset the second factor
          </Button>
        )}
        {!user.serviceAccount && (
          <Button variant="default" onClick={() => setAct('passkeys')}>
            Remove all passkeys
          </Button>
        )}
        <Button variant="default" className={user.enabled ? (classes.danger ?? '') : ''} onClick={() => setAct('enabled')}>
          {user.enabled ? 'Disable the account' : 'Enable the account'}
        </Button>
      </Group>
      {act === 'name' && <Rename user={user} close={close} />}
      {act === 'password' && <SetPassword user={user} close={close} />}
      {act === 'totp' && (
        <Confirm
          opened
          close={close}
          title="Reset the second factor"
          what={`Reset the second factor of ${user.name}`}
          act={() => update(user.name, { resetTotp: true })}
        >
          <Text size="sm">
            {user.name} then signs in with the password alone and enrols a new authenticator under Me. All sessions of {user.name} end. Be
            sure that it is {user.name} who asked.
          </Text>
        </Confirm>
      )}
      {act === 'passkeys' && (
        <Confirm
          opened
          close={close}
          title="Remove all passkeys"
          what={`Remove all passkeys of ${user.name}`}
          act={() => update(user.name, { removePasskeys: true })}
        >
          <Text size="sm">
            {user.name} can sign in and confirm with none of them any more. What they count for in the trust root stays until the root is
            changed: revoke them there.
          </Text>
        </Confirm>
      )}
      {act === 'enabled' && (
        <Confirm
          opened
          close={close}
          title={user.enabled ? 'Disable the account' : 'Enable the account'}
          what={user.enabled ? `Disable ${user.name}` : `Enable ${user.name}`}
          color={user.enabled ? 'red' : 'indigo'}
          act={() => update(user.name, { enabled: !user.enabled })}
        >
          {user.enabled ? (
            <Text size="sm">
              All sessions of {mine ? 'yours' : user.name} end at once, its API keys are refused, and its approvals of runs that have not
              begun count no more. The account stays for the record and can be enabled again.
            </Text>
          ) : (
            <Text size="sm">{user.name} may sign in again, with the roles that are still given.</Text>
          )}
        </Confirm>
      )}
    </Stack>
  );
}

function Rename({ user, close }: { user: User; close: () => void }) {
  const [name, setName] = useState(user.displayName ?? '');
  return (
    <Confirm
      opened
      close={close}
      title={`The name of ${user.name} for people`}
      what="Save the name"
      color="indigo"
      act={() => update(user.name, { displayName: name.trim() })}
    >
      <TextInput label="Name for people" value={name} onChange={(event) => setName(event.currentTarget.value)} data-autofocus />
    </Confirm>
  );
}

function SetPassword({ user, close }: { user: User; close: () => void }) {
  const [password, setPassword] = useState('');
  const [refused, setRefused] = useState<unknown>();
  const act = () =>
    update(user.name, { password }).catch((cause: unknown) => {
      setRefused(cause);
      throw cause;
    });
  const type = (next: string) => {
    setPassword(next);
    setRefused(undefined);
  };
  return (
    <Confirm opened close={close} title="Set a password" what={`Set the password of ${user.name}`} disabled={password === ''} act={act}>
      <Text size="sm">
        The old password and all sessions of {user.name} end at once. A second factor stays. Hand the new one over by another way than this
        server.
      </Text>
      <PasswordField
        label="New password"
        description="At least 10 characters."
        autoComplete="new-password"
        value={password}
        onChange={(event) => type(event.currentTarget.value)}
        error={atField(refused, '/password')}
        data-autofocus
      />
      <Suggest take={type} taken={password} />
    </Confirm>
  );
}
