import { Button, Group, Modal, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api, client, type Schemas, unwrap } from '~/api/client';
import { invalidate } from '~/api/query';
import { Confirm } from '~/components/confirm';
import { atField, besideFields } from '~/components/fields';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { told } from '~/components/told';
import { useMe } from '~/session/session';
import { KeyRow } from './key-row';
import classes from './me.module.css';
import { Listed, Section } from './section';
import { commentOf, wrongWith } from './ssh-line';
import { hasSsh } from './trusted';
import { useTrustedKeys } from './use-trusted';

const FIELDS = ['/name', '/publicKey'];

/** One's SSH public keys, registered so that whoever drafts a trust root can take them. */
export function SshKeys() {
  const me = useMe();
  const keys = api.useQuery('get', '/api/v1/auth/ssh-keys');
  const trusted = useTrustedKeys(me.user);
  const [adding, setAdding] = useState(false);
  const [leaving, setLeaving] = useState<Schemas['SshKey']>();
  return (
    <Section
      title="SSH keys"
      about="To sign approvals on the command line. Registering a key offers it to whoever drafts the trust root; nodes believe it once it is in there."
      action={<Button onClick={() => setAdding(true)}>Add an SSH key</Button>}
    >
      <Listed query={keys} none="You have registered none.">
        {(items) => (
          <ul className={classes.rows}>
            {items.map((key) => (
              <KeyRow
                key={key.id}
                name={key.name}
                keyId={key.keyId}
                trusted={hasSsh(trusted, key.publicKey)}
                about={
                  <>
                    {key.publicKey.split(' ')[0]}, added <Time at={key.createdAt} />
                  </>
                }
                remove={() => setLeaving(key)}
              />
            ))}
          </ul>
        )}
      </Listed>
      <AddSshKey opened={adding} close={() => setAdding(false)} />
      <Confirm
        opened={leaving !== undefined}
        close={() => setLeaving(undefined)}
        title="Remove an SSH key"
        what={`Remove “${leaving?.name ?? ''}”`}
        act={async () => {
          await client.DELETE('/api/v1/auth/ssh-keys/{id}', { params: { path: { id: leaving?.id ?? '' } } });
          invalidate('/api/v1/auth');
        }}
      >
        <Text size="sm">
          It is no longer offered for trust roots.
          {leaving && hasSsh(trusted, leaving.publicKey) && ' The present root still has it: it counts until a new root leaves it out.'}
        </Text>
      </Confirm>
    </Section>
  );
}

function AddSshKey({ opened, close }: { opened: boolean; close: () => void }) {
  const [line, setLine] = useState('');
  const [name, setName] = useState('');
  const [tried, setTried] = useState(false);
  const add = useMutation({
    mutationFn: () => unwrap(client.POST('/api/v1/auth/ssh-keys', { body: { name: called, publicKey: line.trim() } })),
    onSuccess: (key) => {
      invalidate('/api/v1/auth');
      told(`The key ${key.keyId} is added.`);
      leave();
    },
  });
  const called = name.trim() || commentOf(line);
  const leave = () => {
    setLine('');
    setName('');
    setTried(false);
    add.reset();
    close();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (wrongWith(line) === undefined && called !== '') add.mutate();
  };
  return (
    <Modal opened={opened} onClose={leave} title="Add an SSH key" size="lg" closeButtonProps={{ 'aria-label': 'Close' }}>
      <form onSubmit={submit} noValidate>
        <Stack>
          <Textarea
            label="Public key"
            description="The one line of a .pub file, such as ~/.ssh/id_ed25519.pub"
            placeholder="ssh-ed25519 AAAA… you@laptop"
            autosize
            minRows={3}
            maxRows={8}
            spellCheck={false}
            autoCapitalize="none"
            data-autofocus
            styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 13 } }}
            value={line}
            onChange={(event) => setLine(event.currentTarget.value)}
            error={(tried ? wrongWith(line) : undefined) ?? atField(add.error, '/publicKey')}
          />
          <TextInput
            label="Name"
            description="The key’s own comment when left empty"
            placeholder={commentOf(line)}
            maxLength={100}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={tried && called === '' ? 'The key has no comment: give it a name.' : atField(add.error, '/name')}
          />
          {add.error && besideFields(add.error, ...FIELDS) && <ProblemView error={add.error} except={(at) => FIELDS.includes(at)} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={leave}>
              Cancel
            </Button>
            <Button type="submit" loading={add.isPending}>
              Add the key
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
