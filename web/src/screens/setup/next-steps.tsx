import { Group, Stack, Text, ThemeIcon, Title } from '@mantine/core';
import { IconFileText, IconFingerprint, IconServer, IconUsers } from '@tabler/icons-react';
import { ButtonLink } from '~/components/links';

const STEPS = [
  {
    to: '/nodes',
    icon: IconServer,
    title: 'Join a node',
    about: 'A machine on which runs happen. You get one command to paste there.',
  },
  {
    to: '/templates',
    icon: IconFileText,
    title: 'Write a first template',
    about: 'What may be asked for, with which inputs, on which nodes, and how many must approve. It lives in a namespace, made first.',
  },
  {
    to: '/access',
    icon: IconUsers,
    title: 'Add people',
    about: 'Consensus needs at least two: who asks never approves their own request.',
  },
  {
    to: '/me',
    tab: 'sign-in',
    icon: IconFingerprint,
    title: 'Add a passkey',
    about: 'To sign in without a password, and to sign approvals with your finger or face.',
  },
];

/** What to do with a new server. */
export function NextSteps() {
  return (
    <Stack gap="md">
      <Text size="sm">You are signed in. In this order a first run takes about ten minutes:</Text>
      <Stack component="ol" gap="xs" p={0} m={0} style={{ listStyle: 'none' }}>
        {STEPS.map((step) => (
          <Group key={step.to} component="li" gap="sm" wrap="nowrap" align="flex-start">
            <ThemeIcon variant="light" size={36} radius="md" aria-hidden>
              <step.icon size={20} />
            </ThemeIcon>
            <Stack gap={2} flex={1}>
              <Title order={2} size="h5">
                {step.title}
              </Title>
              <Text size="sm" c="dimmed">
                {step.about}
              </Text>
            </Stack>
            <ButtonLink to={step.to} search={step.tab ? { tab: step.tab } : {}} variant="default" aria-label={`Open: ${step.title}`}>
              Open
            </ButtonLink>
          </Group>
        ))}
      </Stack>
      <ButtonLink to="/" size="md">
        Go to the inbox
      </ButtonLink>
    </Stack>
  );
}
