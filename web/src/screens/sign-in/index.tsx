import { Alert, Divider, Stack, Text } from '@mantine/core';
import { IconClock } from '@tabler/icons-react';
import { Navigate, useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback } from 'react';
import { api, type Schemas } from '~/api/client';
import { CODE, toApiError } from '~/api/problem';
import { ProblemView } from '~/components/problem';
import { Door } from './door';
import { enter } from './enter';
import { safeNext } from './next';
import { PasskeyEntry } from './passkey';
import { PasswordEntry } from './password';

/** Where people sign in: with a password and a second factor, or with a passkey. */
export default function SignIn() {
  const search = useSearch({ strict: false });
  const navigate = useNavigate();
  const methods = api.useQuery('get', '/api/v1/auth/methods', {}, { staleTime: 0 });
  const next = safeNext(search['next']);
  const entered = useCallback(
    async (session: Schemas['SessionToken']) => {
      await enter(session);
      await navigate({ href: next });
    },
    [navigate, next],
  );
  if (methods.data?.bootstrapped === false) return <Navigate to="/setup" replace />;
  const offline = methods.error && toApiError(methods.error).code === CODE.offline;
  return (
    <Door title="Sign in">
      {search['ended'] !== undefined && (
        <Alert
          color="orange"
          icon={<IconClock aria-hidden />}
          role="status"
          title="Your session ended"
          styles={{ title: { color: 'var(--mantine-color-text)' }, message: { color: 'var(--mantine-color-text)' } }}
        >
          Sign in again; you will come back to where you were.
        </Alert>
      )}
      {offline && <ProblemView error={methods.error} retry={() => void methods.refetch()} />}
      <PasswordEntry entered={entered} />
      {methods.data?.passkeys && (
        <Stack gap="sm">
          <Divider label="or" labelPosition="center" />
          <PasskeyEntry site={methods.data.passkeys} entered={entered} />
        </Stack>
      )}
      {methods.data && (
        <Text size="xs" c="dimmed" ta="center">
          Version {methods.data.version}
        </Text>
      )}
    </Door>
  );
}
