import { Button, Divider, Group, Modal, Stack, Text } from '@mantine/core';
import { IconFingerprint } from '@tabler/icons-react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { type FormEvent, useState, useSyncExternalStore } from 'react';
import { client, type Schemas, unwrap } from '~/api/client';
import { CODE, toApiError } from '~/api/problem';
import { invalidate } from '~/api/query';
import { CodeField, isWholeCode } from '~/components/code-field';
import { ProblemView } from '~/components/problem';
import { href } from '~/lib/base';
import { assertPasskey, canPasskeys, isAddress } from './passkey';
import { whoamiOptions } from './session';

/** Those who wait for the answer to the question that is open. */
let waiting: ((given: boolean) => void)[] = [];
const watchers = new Set<() => void>();
const changed = (): void => {
  for (const watcher of watchers) watcher();
};

/** Asks for a fresh second factor; resolves to whether it was given. Several callers share one question. */
export function stepUp(): Promise<boolean> {
  return new Promise((resolve) => {
    waiting = [...waiting, resolve];
    changed();
  });
}

function settle(given: boolean): void {
  const answered = waiting;
  waiting = [];
  changed();
  for (const resolve of answered) resolve(given);
}

const subscribe = (watcher: () => void) => {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
};

/** The dialog for it; stands once at the root. */
export function StepUpDialog() {
  const opened = useSyncExternalStore(subscribe, () => waiting.length > 0);
  return (
    <Modal
      opened={opened}
      onClose={() => settle(false)}
      title="Confirm that it is you"
      closeButtonProps={{ 'aria-label': 'Close' }}
      // Above the dialog whose button asked.
      zIndex={300}
    >
      {opened && <Question />}
    </Modal>
  );
}

function Question() {
  // Read anew, since a factor may have been enrolled in another tab.
  const { data: me } = useQuery({ ...whoamiOptions, staleTime: 0 });
  const answer = useMutation({
    mutationFn: (proof: Schemas['StepUpRequest']) => client.POST('/api/v1/auth/step-up', { body: proof }),
    onSuccess: () => {
      invalidate('/api/v1/auth/whoami');
      settle(true);
    },
  });
  const byPasskey = useMutation({
    mutationFn: async () => {
      const assertion = await assertPasskey(await unwrap(client.POST('/api/v1/auth/step-up/options')));
      await answer.mutateAsync({ assertion });
    },
  });
  if (me === undefined) return null;
  const passkeys = (me.passkeys ?? 0) > 0;
  if (!me.totpEnrolled && !passkeys) return <NoFactor />;
  return (
    <Stack>
      <Text size="sm">
        This changes something that matters, so it needs a fresh second factor. For a while after that you are not asked again.
      </Text>
      {me.totpEnrolled && <Code answer={(totp) => answer.mutate({ totp })} busy={answer.isPending} error={answer.error} />}
      {me.totpEnrolled && passkeys && <Divider label="or" labelPosition="center" />}
      {passkeys && <Passkey ask={() => byPasskey.mutate()} busy={byPasskey.isPending} error={byPasskey.error} alone={!me.totpEnrolled} />}
      <Group justify="flex-end">
        <Button variant="default" onClick={() => settle(false)}>
          Cancel
        </Button>
      </Group>
    </Stack>
  );
}

function Code({ answer, busy, error }: { answer: (totp: string) => void; busy: boolean; error: unknown }) {
  const [code, setCode] = useState('');
  const [tried, setTried] = useState<string>();
  const wrong = error !== null && toApiError(error).code === CODE.badCredentials;
  const give = (totp: string) => {
    setTried(totp);
    setCode('');
    answer(totp);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    // The form may stand inside another one, as the tree goes.
    event.stopPropagation();
    if (isWholeCode(code)) give(code);
    else setTried(code);
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="sm">
        <CodeField
          data-autofocus
          value={code}
          change={setCode}
          done={give}
          readOnly={busy}
          error={
            wrong && !busy
              ? 'The code is wrong, or was used before. Take the next one.'
              : tried !== undefined && !isWholeCode(tried)
                ? 'A code has six digits.'
                : undefined
          }
        />
        {error !== null && !wrong && <ProblemView error={error} />}
        <Button type="submit" loading={busy}>
          Confirm
        </Button>
      </Stack>
    </form>
  );
}

function Passkey({ ask, busy, error, alone }: { ask: () => void; busy: boolean; error: unknown; alone: boolean }) {
  const address = isAddress(location.hostname);
  const possible = canPasskeys() && !address;
  return (
    <Stack gap="xs">
      <Button
        variant={alone ? 'filled' : 'default'}
        leftSection={<IconFingerprint size={18} aria-hidden />}
        onClick={ask}
        loading={busy}
        disabled={!possible}
        data-autofocus={alone || undefined}
      >
        Use a passkey
      </Button>
      {!possible && (
        <Text size="sm" c="dimmed">
          {address ? 'The console is open at an address; passkeys work where it is opened by its name.' : 'This browser knows no passkeys.'}
        </Text>
      )}
      {error !== null && <ProblemView error={error} />}
    </Stack>
  );
}

function NoFactor() {
  return (
    <Stack>
      <Text size="sm">
        This needs a fresh second factor, and your account has none. Enrol an authenticator or a passkey, then confirm here; nothing you
        typed is lost.
      </Text>
      <Group justify="flex-end">
        <Button variant="default" onClick={() => settle(false)}>
          Cancel
        </Button>
        {/* In a tab of its own, and by a plain link: the dialog stands outside of the router. */}
        <Button component="a" href={href('me?tab=sign-in')} target="_blank" rel="noopener">
          Enrol one in a new tab
        </Button>
      </Group>
    </Stack>
  );
}
