import { Badge, Text } from '@mantine/core';
import { IconCheck } from '@tabler/icons-react';
import { Command } from '~/components/command';
import { told } from '~/components/told';
import { useMe } from '~/session/session';
import { Section } from './section';
import { EnrolTotp } from './totp';

/** The authenticator with its six digits: enrolled or not, and what to do when it is lost. */
export function SecondFactor() {
  const me = useMe();
  const done = () => told('The second factor is in force: signing in asks for a code from now on.');
  if (!me.totpEnrolled) {
    return (
      <Section
        title="Authenticator"
        about="An app that shows six digits, asked for after your password and before anything that changes who may do what."
      >
        <EnrolTotp done={done} />
      </Section>
    );
  }
  return (
    <Section
      title="Authenticator"
      about="Signing in with your password asks for its code."
      action={
        <Badge
          color="teal"
          variant="light"
          tt="none"
          leftSection={<IconCheck size={12} aria-hidden />}
          styles={{ label: { color: 'var(--mantine-color-text)' } }}
        >
          in force
        </Badge>
      }
    >
      <Text size="sm">
        When you lose it, or change phones: an owner resets it under Access, or with the command below. Then you enrol a new one here.
        {me.passkeys ? ' Until then a passkey signs you in.' : ' A passkey beside it keeps you from being locked out.'}
      </Text>
      <Command text={`synod user reset-totp ${me.user}`} />
    </Section>
  );
}
