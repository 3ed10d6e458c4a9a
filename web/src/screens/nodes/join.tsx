import { Alert, Button, Group, Modal, NumberInput, Select, Stack, Text, TextInput } from '@mantine/core';
import { IconKey } from '@tabler/icons-react';
import { useState } from 'react';
import { api, client, type Schemas, unwrap } from '~/api/client';
import { invalidate } from '~/api/query';
import { toApiError } from '~/api/problem';
import { Command } from '~/components/command';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { base } from '~/lib/base';
import { joinCommand } from './join-command';
import { readLabels } from './labels';

type Created = Schemas['CreatedJoinToken'];

const SPANS = [
  { value: '15m', label: '15 minutes' },
  { value: '1h', label: '1 hour' },
  { value: '24h', label: '1 day' },
  { value: '7d', label: '7 days' },
];

/** What is told at a field of the form. */
const AT_FIELD = /^\/(labels|uses|expiresIn)(\/|$)/;

/** Makes a join token, then shows the command that uses it. The token is shown this one time. */
export function JoinDialog({ opened, close }: { opened: boolean; close: () => void }) {
  const [created, setCreated] = useState<Created>();
  const done = () => {
    close();
    setCreated(undefined);
  };
  return (
    <Modal
      opened={opened}
      onClose={done}
      title={created ? 'Run this on the machine' : 'Join a node'}
      size="lg"
      closeOnClickOutside={created === undefined}
      closeOnEscape={created === undefined}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      {created ? <Made token={created} done={done} /> : <Ask made={setCreated} />}
    </Modal>
  );
}

function Ask({ made }: { made: (token: Created) => void }) {
  const [text, setText] = useState('');
  const [uses, setUses] = useState<number | string>(1);
  const [expiresIn, setExpiresIn] = useState('1h');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const [touched, setTouched] = useState(false);
  const read = readLabels(text);
  const problems = error === undefined ? [] : (toApiError(error).problem.problems ?? []);
  const at = (field: string) => problems.find((one) => one.pointer === `/${field}` || one.pointer.startsWith(`/${field}/`))?.message;
  const badUses = typeof uses !== 'number' ? 'Say how many machines may join with it' : undefined;
  const make = async () => {
    setTouched(true);
    if (read.wrong || typeof uses !== 'number') return;
    setBusy(true);
    setError(undefined);
    try {
      made(await unwrap(client.POST('/api/v1/join-tokens', { body: { labels: read.labels, uses, expiresIn } })));
      invalidate('/api/v1/join-tokens');
    } catch (cause) {
      setError(cause);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void make();
      }}
    >
      <Stack>
        <Text size="sm">A join token lets machines become nodes. It ends by itself, and can be revoked before.</Text>
        <TextInput
          label="Labels"
          description="What a node gets that joins with it, such as role=web, env=prod. Runs find their nodes by labels."
          placeholder="role=web, env=prod"
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          error={(touched && read.wrong) || at('labels')}
          spellCheck={false}
          autoCapitalize="none"
          data-autofocus
        />
        <Group grow align="flex-start">
          <NumberInput
            label="Machines"
            value={uses}
            onChange={setUses}
            min={1}
            allowDecimal={false}
            error={(touched && badUses) || at('uses')}
          />
          <Select
            label="Valid for"
            data={SPANS}
            value={expiresIn}
            onChange={(value) => setExpiresIn(value ?? '1h')}
            allowDeselect={false}
            error={at('expiresIn')}
          />
        </Group>
        {error !== undefined && (problems.length === 0 || problems.some((one) => !AT_FIELD.test(one.pointer))) && (
          <ProblemView error={error} except={(pointer) => AT_FIELD.test(pointer)} />
        )}
        <Group justify="flex-end">
          <Button type="submit" loading={busy}>
            Make the join token
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** Where agents find the server: as it says itself, else as this console was opened. */
function useServerUrl(): string {
  const { data } = api.useQuery('get', '/api/v1/server', {}, { retry: false });
  const own = window.location.origin + base.replace(/\/$/, '');
  const [member, ...others] = data?.members ?? [];
  return member && others.length === 0 ? member.url : own;
}

function Made({ token, done }: { token: Created; done: () => void }) {
  const known = useServerUrl();
  const [typed, setTyped] = useState<string>();
  const [name, setName] = useState('');
  const [mode, setMode] = useState('enforce');
  const { data: trust, error } = api.useQuery('get', '/api/v1/trust', {}, { retry: false });
  const root = trust?.root ?? undefined;
  const server = typed ?? known;
  const text = joinCommand({
    server,
    token: token.token,
    caFingerprint: token.caFingerprint,
    name: name.trim(),
    trust: root && { mode, root: root.digest },
  });
  return (
    <Stack>
      <Alert color="yellow" icon={<IconKey aria-hidden />} styles={{ message: { color: 'var(--mantine-color-text)' } }}>
        The token is in this command and is not shown again. It is good for{' '}
        {token.usesLeft === 1 ? 'one machine' : `${token.usesLeft} machines`} until <Time at={token.expiresAt} />.
      </Alert>
      <Command text={text} />
      <Group grow align="flex-start" preventGrowOverflow={false}>
        <TextInput
          label="Server"
          description="As the machine reaches it"
          value={server}
          onChange={(event) => setTyped(event.currentTarget.value)}
          spellCheck={false}
          autoCapitalize="none"
          miw={200}
        />
        <TextInput
          label="Name"
          description="Its host name when empty"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          spellCheck={false}
          autoCapitalize="none"
          miw={200}
        />
      </Group>
      {root ? (
        <Select
          label="How it judges"
          description={`By version ${root.version} of the trust root. Compare its digest with what a holder of the root tells you: this server must not be the only one who says so.`}
          data={[
            { value: 'enforce', label: 'Enforce: refuse what is not signed by enough people' },
            { value: 'observe', label: 'Observe: only report it' },
            { value: 'off', label: 'Off: believe the server' },
          ]}
          value={mode}
          onChange={(value) => setMode(value ?? 'enforce')}
          allowDeselect={false}
        />
      ) : (
        <Text size="sm" c="dimmed">
          {error === null
            ? 'No trust root is published, so the node will believe the server. Once one is, nodes can judge by signatures themselves.'
            : 'Whether a trust root is published cannot be read now: the command leaves it out, so the node will believe the server.'}
        </Text>
      )}
      <Text size="sm" c="dimmed">
        The node appears in the list as soon as it has joined. For a service, put the token into a file and use{' '}
        <code>--join-token-file</code>.
      </Text>
      <Group justify="flex-end">
        <Button onClick={done}>Done</Button>
      </Group>
    </Stack>
  );
}
