import { Alert, Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { IconHourglass } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { client, type Schemas, unwrap } from '~/api/client';
import { CODE, toApiError } from '~/api/problem';
import { CodeField, isWholeCode } from '~/components/code-field';
import { PasswordField } from '~/components/password-field';
import { ProblemView } from '~/components/problem';
import { useWait } from './wait';

/** What signing in begins. */
export type Entered = (session: Schemas['SessionToken']) => Promise<void>;

/** Name and password; then the code of the second factor, when one is enrolled. */
export function PasswordEntry({ entered }: { entered: Entered }) {
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const [asked, setAsked] = useState(false);
  const [code, setCode] = useState('');
  const [tried, setTried] = useState(false);
  const signIn = useMutation({
    mutationFn: async (totp: string | undefined) => {
      const session = await unwrap(client.POST('/api/v1/auth/login', { body: { user: user.trim(), password, totp, cookie: true } }));
      await entered(session);
    },
    onError: (cause) => {
      setCode('');
      setTried(false);
      if (toApiError(cause).code === CODE.secondFactorRequired) setAsked(true);
    },
  });
  const error = signIn.error;
  const what = error ? toApiError(error).code : undefined;
  const wait = useWait(error);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (user.trim() === '' || password === '' || wait > 0) return;
    if (asked && !isWholeCode(code)) return;
    signIn.mutate(asked ? code : undefined);
  };
  const back = () => {
    setAsked(false);
    setCode('');
    setTried(false);
    signIn.reset();
  };
  const wrong = what === CODE.badCredentials;
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        {asked ? (
          <>
            {/* Kept in the form, so that password managers know whose the code is. */}
            <input type="hidden" name="username" autoComplete="username" value={user} readOnly />
            <Text size="sm">
              <b>{user}</b>, your account asks for a second factor.
            </Text>
            <CodeField
              value={code}
              change={setCode}
              done={(whole) => wait === 0 && signIn.mutate(whole)}
              autoFocus
              readOnly={signIn.isPending}
              error={
                wrong
                  ? 'The code is wrong, or was used before. Take the next one.'
                  : tried && code !== '' && !isWholeCode(code)
                    ? 'A code has six digits.'
                    : undefined
              }
            />
          </>
        ) : (
          <>
            <TextInput
              label="User"
              name="username"
              autoComplete="username webauthn"
              autoCapitalize="none"
              spellCheck={false}
              autoFocus
              size="md"
              value={user}
              onChange={(event) => setUser(event.currentTarget.value)}
              error={tried && user.trim() === '' ? 'Enter the name of your account.' : undefined}
            />
            <PasswordField
              label="Password"
              name="password"
              autoComplete="current-password"
              size="md"
              value={password}
              onChange={(event) => setPassword(event.currentTarget.value)}
              error={
                tried && password === ''
                  ? 'Enter your password.'
                  : wrong
                    ? 'Name or password is wrong. An administrator can set a new password.'
                    : undefined
              }
            />
          </>
        )}
        {wait > 0 && <Throttled seconds={wait} />}
        {error && !wrong && wait === 0 && what !== CODE.secondFactorRequired && <ProblemView error={error} />}
        <Button type="submit" size="md" fullWidth loading={signIn.isPending} disabled={wait > 0}>
          Sign in
        </Button>
        {asked && (
          <Stack gap={4}>
            <Text size="sm" c="dimmed">
              Is the authenticator lost? An owner of this server can reset your second factor; until then a passkey signs you in.
            </Text>
            <Group>
              <Button variant="default" onClick={back}>
                Back
              </Button>
            </Group>
          </Stack>
        )}
      </Stack>
    </form>
  );
}

function Throttled({ seconds }: { seconds: number }) {
  return (
    <Alert
      color="orange"
      icon={<IconHourglass aria-hidden />}
      role="alert"
      title="Too many failed sign-ins"
      styles={{ title: { color: 'var(--mantine-color-text)' }, message: { color: 'var(--mantine-color-text)' } }}
    >
      {/* The count is not read out each second. */}
      This name must wait. Try again in <span aria-live="off">{seconds > 90 ? `${Math.ceil(seconds / 60)} min` : `${seconds} s`}</span>.
    </Alert>
  );
}
