import { Alert, Anchor, Button, Stack, Text, TextInput } from '@mantine/core';
import { IconInfoCircle } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { client, unwrap } from '~/api/client';
import { CODE, toApiError } from '~/api/problem';
import { Command } from '~/components/command';
import { atField, besideFields } from '~/components/fields';
import { PasswordField } from '~/components/password-field';
import { ProblemView } from '~/components/problem';
import { enter } from '../sign-in/enter';

const FIELDS = ['/name', '/password', '/token'];
/** A first administrator exists already. */
const EXISTS = 'SYN-3006';

/** Makes the first administrator and signs them in. */
export function Administrator({ done }: { done: () => void }) {
  const [token, setToken] = useState('');
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [again, setAgain] = useState('');
  const [tried, setTried] = useState(false);
  // The account may be made and the sign-in fail after it: what was done is not done again.
  const [made, setMade] = useState(false);
  const make = useMutation({
    mutationFn: async () => {
      if (!made) await client.POST('/api/v1/bootstrap', { body: { token: token.trim(), name: name.trim(), password } });
      setMade(true);
      await enter(await unwrap(client.POST('/api/v1/auth/login', { body: { user: name.trim(), password, cookie: true } })));
    },
    onSuccess: done,
  });
  const error = make.error;
  const code = error ? toApiError(error).code : undefined;
  const wrongToken = !made && code === CODE.badCredentials;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (token.trim() !== '' && name.trim() !== '' && password !== '' && password === again) make.mutate();
  };
  const missing = (value: string, words: string) => (tried && value.trim() === '' ? words : undefined);
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <Alert
          icon={<IconInfoCircle aria-hidden />}
          title="Where the token is"
          styles={{ title: { color: 'var(--mantine-color-text)' }, message: { color: 'var(--mantine-color-text)' } }}
        >
          <Stack gap="xs">
            <Text size="sm">
              At its first start the server wrote a token to the file bootstrap.token in its state folder, and named that file in its log
              (“no user exists yet … token_file=…”). On the server’s machine:
            </Text>
            <Command text="sudo cat /var/lib/synod/bootstrap.token" />
          </Stack>
        </Alert>
        <TextInput
          label="Bootstrap token"
          autoComplete="off"
          spellCheck={false}
          placeholder="synod_bootstrap_…"
          size="md"
          value={token}
          onChange={(event) => setToken(event.currentTarget.value)}
          error={
            missing(token, 'Paste the token.') ??
            (wrongToken
              ? 'This is not the token. Copy the whole line of the file, of this server, as it is now.'
              : atField(error, '/token'))
          }
        />
        <TextInput
          label="Your name"
          description="What you sign in with; it is in every record and cannot be changed"
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          size="md"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={missing(name, 'Enter a name.') ?? atField(error, '/name')}
        />
        <PasswordField
          label="Password"
          description="At least 10 characters"
          autoComplete="new-password"
          size="md"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          error={tried && password === '' ? 'Choose a password.' : atField(error, '/password')}
        />
        <PasswordField
          label="Password again"
          autoComplete="new-password"
          size="md"
          value={again}
          onChange={(event) => setAgain(event.currentTarget.value)}
          eye="Show what is typed again"
          error={tried && again !== password ? 'The two are not the same.' : undefined}
        />
        {error && !wrongToken && besideFields(error, ...FIELDS) && <ProblemView error={error} except={(at) => FIELDS.includes(at)} />}
        {error && (made || code === EXISTS) && (
          <Anchor component={Link} to="/sign-in" td="underline" size="sm">
            Go to sign in
          </Anchor>
        )}
        <Button type="submit" size="md" loading={make.isPending}>
          Create the account
        </Button>
      </Stack>
    </form>
  );
}
