import { Anchor, Button, Group, Image, Paper, Stack, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { client, type Schemas, unwrap } from '~/api/client';
import { CODE, toApiError } from '~/api/problem';
import { invalidate } from '~/api/query';
import { CodeField, isWholeCode } from '~/components/code-field';
import { Command } from '~/components/command';
import { ProblemView } from '~/components/problem';

/** Enrols a second factor: a QR code to scan, then a code made from it, which puts it in force. */
export function EnrolTotp({ done, later }: { done: () => void; later?: () => void }) {
  const begin = useMutation({ mutationFn: () => unwrap(client.POST('/api/v1/auth/totp')) });
  if (begin.data) return <ConfirmTotp enrolment={begin.data} done={done} cancel={later ?? begin.reset} />;
  return (
    <Stack gap="sm" align="flex-start">
      {begin.error && <ProblemView error={begin.error} />}
      <Group gap="xs">
        <Button onClick={() => begin.mutate()} loading={begin.isPending}>
          Enrol an authenticator
        </Button>
        {later && (
          <Button variant="default" onClick={later}>
            Later
          </Button>
        )}
      </Group>
    </Stack>
  );
}

function ConfirmTotp({ enrolment, done, cancel }: { enrolment: Schemas['TotpEnrolment']; done: () => void; cancel: () => void }) {
  const [code, setCode] = useState('');
  const [tried, setTried] = useState(false);
  const confirm = useMutation({
    mutationFn: (totp: string) => client.POST('/api/v1/auth/totp/confirm', { body: { totp } }),
    onSuccess: () => {
      invalidate('/api/v1/auth');
      done();
    },
    onError: () => setCode(''),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (isWholeCode(code)) confirm.mutate(code);
  };
  const wrong = confirm.error && toApiError(confirm.error).code === CODE.badCredentials;
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <Group align="flex-start" gap="md">
          {/* On white, whatever the theme: cameras need the contrast. */}
          <Paper bg="white" p={8} withBorder radius="md" w={216}>
            <Image
              src={`data:image/svg+xml,${encodeURIComponent(enrolment.qrSvg)}`}
              alt="QR code of the second factor; the same secret is beside it as text"
              w={200}
              h={200}
            />
          </Paper>
          <Stack gap="xs" flex={1} miw={220}>
            <Text size="sm">
              1. Scan this with an authenticator, such as Aegis, Google Authenticator, or your password manager. Or type the secret:
            </Text>
            <Command text={enrolment.secret} label="Copy the secret" />
            {enrolment.url.startsWith('otpauth://') && (
              <Anchor href={enrolment.url} size="sm" td="underline" py={8}>
                Open it in an authenticator on this device
              </Anchor>
            )}
          </Stack>
        </Group>
        <Text size="sm">2. Enter the code it shows now; only then the second factor is in force.</Text>
        <CodeField
          value={code}
          change={(value) => {
            setCode(value);
            setTried(false);
          }}
          done={(whole) => confirm.mutate(whole)}
          readOnly={confirm.isPending}
          error={
            wrong
              ? 'The code is wrong. Check the clock of the device that made it.'
              : tried && !isWholeCode(code)
                ? 'A code has six digits.'
                : undefined
          }
        />
        {confirm.error && !wrong && <ProblemView error={confirm.error} />}
        <Group gap="xs">
          <Button type="submit" loading={confirm.isPending}>
            Confirm the code
          </Button>
          <Button variant="default" onClick={cancel}>
            Not now
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
