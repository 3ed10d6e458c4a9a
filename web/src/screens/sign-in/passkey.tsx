import { Anchor, Button, Stack, Text } from '@mantine/core';
import { IconFingerprint } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { client, type Schemas, unwrap } from '~/api/client';
import { ProblemView } from '~/components/problem';
import { assertPasskey, canAutofill, canPasskeys, obstacle, PasskeyError } from '~/session/passkey';
import type { Entered } from './password';

/** A challenge is good for five minutes; one that waits in the browser's list is renewed before. */
const RENEW_MS = 4 * 60_000;

async function signIn(signal?: AbortSignal): Promise<Schemas['SessionToken']> {
  const options = await unwrap(client.POST('/api/v1/auth/passkey-login/options', { body: {} }));
  const assertion = await assertPasskey({ ...options, conditional: signal !== undefined, signal });
  return unwrap(client.POST('/api/v1/auth/passkey-login', { body: { assertion, cookie: true } }));
}

/** Signing in without a password: by a button, or from the list under the field for the name. */
export function PasskeyEntry({ site, entered }: { site: { rpId: string; origins: string[] }; entered: Entered }) {
  const hindered = obstacle(location.hostname, site.rpId);
  const possible = hindered === undefined && canPasskeys();
  const waiting = useAutofill(possible, entered);
  const enter = useMutation({
    mutationFn: async () => {
      // A browser asks one question at a time.
      waiting.current?.abort();
      await entered(await signIn());
    },
  });
  const better = site.origins.find((origin) => origin.startsWith('https://'));
  if (hindered) {
    return (
      <Text size="sm" c="dimmed">
        {hindered.problem.detail}{' '}
        {better && (
          <Anchor href={better} size="sm" td="underline">
            Open it at {better}
          </Anchor>
        )}
      </Text>
    );
  }
  const cancelled = enter.error instanceof PasskeyError && enter.error.why === 'cancelled';
  return (
    <Stack gap="sm">
      <Button
        variant="default"
        size="md"
        fullWidth
        leftSection={<IconFingerprint size={20} aria-hidden />}
        loading={enter.isPending}
        disabled={!possible}
        onClick={() => enter.mutate()}
      >
        Sign in with a passkey
      </Button>
      {!possible && (
        <Text size="sm" c="dimmed">
          This browser knows no passkeys.
        </Text>
      )}
      {cancelled && (
        <Text size="sm" role="alert">
          {enter.error?.message} A passkey is added under Me, once you are signed in.
        </Text>
      )}
      {enter.error && !cancelled && <ProblemView error={enter.error} />}
    </Stack>
  );
}

/** Offers passkeys in the list under the field for the name, where the browser can. Says nothing when that fails: the button is there. */
function useAutofill(possible: boolean, entered: Entered) {
  const waiting = useRef<AbortController>(undefined);
  useEffect(() => {
    if (!possible) return;
    const left = new AbortController();
    const offer = async () => {
      if (!(await canAutofill())) return;
      while (!left.signal.aborted) {
        const question = new AbortController();
        waiting.current = question;
        const renew = window.setTimeout(() => question.abort('renew'), RENEW_MS);
        const session = await signIn(AbortSignal.any([question.signal, left.signal])).catch(() => undefined);
        window.clearTimeout(renew);
        if (session !== undefined) return entered(session);
        if (question.signal.reason !== 'renew') return;
      }
    };
    void offer().catch(() => undefined);
    return () => left.abort();
  }, [possible, entered]);
  return waiting;
}
