import { Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api, client, type Schemas, unwrap } from '~/api/client';
import { invalidate } from '~/api/query';
import { Confirm } from '~/components/confirm';
import { atField, besideFields } from '~/components/fields';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { told } from '~/components/told';
import { canPasskeys, createPasskey, obstacle } from '~/session/passkey';
import { useMe } from '~/session/session';
import { KeyRow } from './key-row';
import classes from './me.module.css';
import { Listed, Section } from './section';
import { hasPasskey } from './trusted';
import { useTrustedKeys } from './use-trusted';

/** One's passkeys: to sign in, to confirm, and, once they are in the trust root, to sign approvals. */
export function Passkeys() {
  const me = useMe();
  const passkeys = api.useQuery('get', '/api/v1/auth/passkeys');
  const methods = api.useQuery('get', '/api/v1/auth/methods');
  const trusted = useTrustedKeys(me.user);
  const [adding, setAdding] = useState(false);
  const [leaving, setLeaving] = useState<Schemas['Passkey']>();
  const hindered = methods.data && whyNot(methods.data);
  return (
    <Section
      title="Passkeys"
      about="Your device’s finger, face or PIN, or a security key: signs you in without a password and counts as second factor."
      action={
        <Button onClick={() => setAdding(true)} disabled={hindered !== undefined}>
          Add a passkey
        </Button>
      }
    >
      {hindered && <Text size="sm">{hindered}</Text>}
      <Listed query={passkeys} none="You have none yet.">
        {(items) => (
          <ul className={classes.rows}>
            {items.map((passkey) => (
              <KeyRow
                key={passkey.id}
                name={passkey.name}
                keyId={passkey.keyId}
                trusted={hasPasskey(trusted, passkey)}
                about={
                  <>
                    added <Time at={passkey.createdAt} />
                    {passkey.lastUsedAt ? (
                      <>
                        , last used <Time at={passkey.lastUsedAt} ago />
                      </>
                    ) : (
                      ', not used yet'
                    )}
                  </>
                }
                remove={() => setLeaving(passkey)}
              />
            ))}
          </ul>
        )}
      </Listed>
      <Text size="sm" c="dimmed">
        To approve signed runs with a passkey it must also be in the trust root: nodes believe the root, not this server. Give its key id to
        whoever drafts the next root, and compare it with them by voice or in person.
      </Text>
      <AddPasskey opened={adding} close={() => setAdding(false)} />
      <Confirm
        opened={leaving !== undefined}
        close={() => setLeaving(undefined)}
        title="Remove a passkey"
        what={`Remove “${leaving?.name ?? ''}”`}
        act={async () => {
          await client.DELETE('/api/v1/auth/passkeys/{id}', { params: { path: { id: leaving?.id ?? '' } } });
          invalidate('/api/v1/auth');
        }}
      >
        <Text size="sm">
          It no longer signs you in here. The device still offers it until you delete it there.
          {leaving &&
            hasPasskey(trusted, leaving) &&
            ' The trust root still has it: nodes go on believing it until a new root leaves it out.'}
        </Text>
      </Confirm>
    </Section>
  );
}

/** Why no passkey can be made here, in words; `undefined` when one can. */
function whyNot(methods: Schemas['AuthMethods']): string | undefined {
  const hindered = obstacle(location.hostname, methods.passkeys?.rpId);
  if (hindered) return `${hindered.problem.detail} ${hindered.problem.remedy}`;
  if (!methods.passkeys) return 'Passkeys need a name: the url in this server’s configuration has none.';
  if (!canPasskeys()) return 'This browser knows no passkeys.';
  return undefined;
}

function AddPasskey({ opened, close }: { opened: boolean; close: () => void }) {
  const [name, setName] = useState('');
  const [tried, setTried] = useState(false);
  const leave = () => {
    setName('');
    setTried(false);
    add.reset();
    close();
  };
  const add = useMutation({
    mutationFn: async () => {
      const options = await unwrap(client.POST('/api/v1/auth/passkeys/options'));
      const created = await createPasskey(options);
      return unwrap(client.POST('/api/v1/auth/passkeys', { body: { name: name.trim(), ...created } }));
    },
    onSuccess: (passkey) => {
      invalidate('/api/v1/auth');
      told(`The passkey “${passkey.name}” is added.`);
      leave();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (name.trim() !== '') add.mutate();
  };
  return (
    <Modal opened={opened} onClose={leave} title="Add a passkey" closeButtonProps={{ 'aria-label': 'Close' }}>
      <form onSubmit={submit} noValidate>
        <Stack>
          <TextInput
            label="Name"
            description="So that you know which it is, such as “phone” or “blue key”"
            maxLength={100}
            data-autofocus
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={tried && name.trim() === '' ? 'Give it a name.' : atField(add.error, '/name')}
          />
          <Text size="sm" c="dimmed">
            Your browser then asks where to keep it and checks that it is you.
          </Text>
          {add.error && besideFields(add.error, '/name') && <ProblemView error={add.error} except={(at) => at === '/name'} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={leave}>
              Cancel
            </Button>
            <Button type="submit" loading={add.isPending}>
              Continue
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
