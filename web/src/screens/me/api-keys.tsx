import { Alert, Badge, Button, Checkbox, Group, Modal, Select, Stack, Text, TextInput } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api, client, type Schemas, unwrap } from '~/api/client';
import { invalidate } from '~/api/query';
import { Command } from '~/components/command';
import { Confirm } from '~/components/confirm';
import { atField, besideFields } from '~/components/fields';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { base } from '~/lib/base';
import { useMe } from '~/session/session';
import { visibleLine } from '~/lib/text';
import { standing } from './key-standing';
import classes from './me.module.css';
import { Listed, Section } from './section';

/** One's API keys, for programs that act as oneself. */
export function ApiKeys() {
  const me = useMe();
  const keys = api.useQuery('get', '/api/v1/api-keys');
  const [making, setMaking] = useState(false);
  const [leaving, setLeaving] = useState<Schemas['ApiKey']>();
  const [old, setOld] = useState(false);
  // Owners are told of everybody's; those of others, and of service accounts, they see and revoke by `synod api-key`.
  const mine = keys.data?.items.filter((key) => key.user === me.user) ?? [];
  const shown = mine.filter((key) => old || standing(key, Date.now()) === 'good');
  return (
    <Section
      title="API keys"
      about="For programs that act as you, with your roles. What needs a fresh second factor they cannot do."
      action={<Button onClick={() => setMaking(true)}>Make an API key</Button>}
    >
      <Listed
        query={{ ...keys, data: keys.data && { items: shown } }}
        none={mine.length === 0 ? 'You have none.' : 'None of your keys is good any more.'}
      >
        {(items) => (
          <ul className={classes.rows}>
            {items.map((key) => (
              <ApiKeyRow key={key.id} apiKey={key} revoke={() => setLeaving(key)} />
            ))}
          </ul>
        )}
      </Listed>
      {mine.some((key) => standing(key, Date.now()) !== 'good') && (
        <Checkbox label="Show expired and revoked keys" checked={old} onChange={(event) => setOld(event.currentTarget.checked)} py={6} />
      )}
      <MakeApiKey opened={making} close={() => setMaking(false)} />
      <Confirm
        opened={leaving !== undefined}
        close={() => setLeaving(undefined)}
        title="Revoke an API key"
        what={`Revoke “${leaving?.name ?? ''}”`}
        act={async () => {
          await client.DELETE('/api/v1/api-keys/{id}', { params: { path: { id: leaving?.id ?? '' } } });
          invalidate('/api/v1/api-keys');
        }}
      >
        <Text size="sm">What uses it is refused from now on. This cannot be undone; make a new key instead.</Text>
      </Confirm>
    </Section>
  );
}

function ApiKeyRow({ apiKey, revoke }: { apiKey: Schemas['ApiKey']; revoke: () => void }) {
  const stands = standing(apiKey, Date.now());
  return (
    <li className={classes.row}>
      <div className={classes.grow}>
        <Group gap="xs">
          <Text fw={600} size="sm">
            {visibleLine(apiKey.name)}
          </Text>
          {stands !== 'good' && (
            <Badge color="gray" variant="light" tt="none" styles={{ label: { color: 'var(--mantine-color-text)' } }}>
              {stands}
            </Badge>
          )}
        </Group>
        <Text size="xs" c="dimmed" component="div">
          {apiKey.id}, made <Time at={apiKey.createdAt} />,{' '}
          {apiKey.revokedAt ? (
            <>
              revoked <Time at={apiKey.revokedAt} />
            </>
          ) : (
            <>
              {stands === 'good' ? 'ends' : 'ended'} <Time at={apiKey.expiresAt} ago />
            </>
          )}
        </Text>
      </div>
      {stands === 'good' && (
        <Button variant="default" onClick={revoke} aria-label={`Revoke ${apiKey.name}`}>
          Revoke
        </Button>
      )}
    </li>
  );
}

const LIVES = [
  { value: '7d', label: 'a week' },
  { value: '30d', label: '30 days' },
  { value: '90d', label: '90 days' },
  { value: '365d', label: 'a year' },
];

function MakeApiKey({ opened, close }: { opened: boolean; close: () => void }) {
  const [name, setName] = useState('');
  const [expiresIn, setExpiresIn] = useState('90d');
  const [tried, setTried] = useState(false);
  const make = useMutation({
    mutationFn: () => unwrap(client.POST('/api/v1/api-keys', { body: { name: name.trim(), expiresIn } })),
    onSuccess: () => invalidate('/api/v1/api-keys'),
  });
  const leave = () => {
    setName('');
    setTried(false);
    make.reset();
    close();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (name.trim() !== '') make.mutate();
  };
  if (make.data) {
    return (
      // Shown once: a click beside it does not close it.
      <Modal
        opened={opened}
        onClose={leave}
        title="Your new API key"
        size="lg"
        closeOnClickOutside={false}
        closeOnEscape={false}
        withCloseButton={false}
      >
        <Made made={make.data} done={leave} />
      </Modal>
    );
  }
  return (
    <Modal opened={opened} onClose={leave} title="Make an API key" closeButtonProps={{ 'aria-label': 'Close' }}>
      <form onSubmit={submit} noValidate>
        <Stack>
          <TextInput
            label="Name"
            description="What it is for, such as “backup job on db-1”"
            maxLength={100}
            data-autofocus
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={tried && name.trim() === '' ? 'Say what it is for.' : atField(make.error, '/name')}
          />
          <Select
            label="Good for"
            data={LIVES}
            value={expiresIn}
            onChange={(value) => setExpiresIn(value ?? '90d')}
            allowDeselect={false}
            checkIconPosition="right"
            error={atField(make.error, '/expiresIn')}
          />
          {make.error && besideFields(make.error, '/name', '/expiresIn') && <ProblemView error={make.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={leave}>
              Cancel
            </Button>
            <Button type="submit" loading={make.isPending}>
              Make the key
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function Made({ made, done }: { made: Schemas['CreatedApiKey']; done: () => void }) {
  const server = new URL(base, location.origin).href.replace(/\/$/, '');
  return (
    <Stack>
      <Alert
        color="orange"
        icon={<IconAlertTriangle aria-hidden />}
        title="This is the only time it is shown"
        styles={{ title: { color: 'var(--mantine-color-text)' }, message: { color: 'var(--mantine-color-text)' } }}
      >
        Copy it now and keep it like a password. The server keeps only its hash.
      </Alert>
      <Command text={made.key} label="Copy the key" />
      <Text size="sm">
        “{made.name}” is good until <Time at={made.expiresAt} />. Programs send it as a header; the command line takes it as SYNOD_TOKEN:
      </Text>
      <Command text={`curl -H 'Authorization: Bearer ${made.key}' ${server}/api/v1/runs`} />
      <Group justify="flex-end">
        <Button onClick={done}>I have copied it</Button>
      </Group>
    </Stack>
  );
}
