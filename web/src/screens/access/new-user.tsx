import { Alert, Button, Group, Modal, SegmentedControl, Stack, Text, TextInput } from '@mantine/core';
import { IconRobot } from '@tabler/icons-react';
import { useState } from 'react';
import { client } from '~/api/client';
import { atField, besideFields } from '~/components/fields';
import { PasswordField } from '~/components/password-field';
import { ProblemView } from '~/components/problem';
import { changed, usePhone } from './objects';
import { Suggest } from './password';

const FIELDS = ['/name', '/displayName', '/password'];

/** Adds a person with a first password, or a service account without one. */
export function NewUser({ close, added }: { close: () => void; added: (name: string) => void }) {
  const phone = usePhone();
  const [kind, setKind] = useState('person');
  const [name, setName] = useState('');
  const [displayName, setDisplayName] = useState('');
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const machine = kind === 'service';
  const add = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await client.POST('/api/v1/users', { body: { name, displayName, serviceAccount: machine, ...(machine ? {} : { password }) } });
      changed();
      close();
      added(name);
    } catch (cause) {
      setError(cause);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal
      opened
      onClose={close}
      title="Add an account"
      fullScreen={phone}
      closeOnClickOutside={false}
      closeButtonProps={{ 'aria-label': 'Close', size: 36 }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void add();
        }}
      >
        <Stack>
          <SegmentedControl
            aria-label="Kind of account"
            value={kind}
            onChange={setKind}
            data={[
              { value: 'person', label: 'A person' },
              { value: 'service', label: 'A service account' },
            ]}
            fullWidth
          />
          <TextInput
            label="Name"
            description="Lower-case letters, digits and “-”. It stays for ever and is never given twice."
            required
            autoCapitalize="none"
            autoComplete="off"
            spellCheck={false}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={atField(error, '/name')}
            data-autofocus
          />
          <TextInput
            label="Name for people"
            description="As they are called; may be changed."
            value={displayName}
            onChange={(event) => setDisplayName(event.currentTarget.value)}
            error={atField(error, '/displayName')}
          />
          {machine ? (
            <Alert color="blue" icon={<IconRobot aria-hidden />} styles={{ message: { color: 'var(--mantine-color-text)' } }}>
              It has no password and never approves. It signs in with an API key, which you make afterwards with{' '}
              <Text span inherit ff="monospace">
                synod api-key create ci --user {name || 'NAME'}
              </Text>
              .
            </Alert>
          ) : (
            <PasswordField
              label="First password"
              description="At least 10 characters. Give it to them by another way; they change it under Me."
              required
              autoComplete="new-password"
              value={password}
              onChange={(event) => setPassword(event.currentTarget.value)}
              error={atField(error, '/password')}
            />
          )}
          {!machine && <Suggest take={setPassword} taken={password} />}
          {besideFields(error, ...FIELDS) && <ProblemView error={error} except={(pointer) => FIELDS.includes(pointer)} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={busy} disabled={name === '' || (!machine && password === '')}>
              {machine ? 'Add the service account' : 'Add the person'}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
