import { Center, Stack, Text, ThemeIcon, Title } from '@mantine/core';
import type { IconInbox } from '@tabler/icons-react';
import type { ReactNode } from 'react';

/** Nothing is here yet; teaches the next step. */
export function Empty({ icon: Icon, title, children }: { icon: typeof IconInbox; title: string; children?: ReactNode }) {
  return (
    <Center py={48} px="md">
      <Stack align="center" gap="sm" maw={420} ta="center">
        <ThemeIcon size={56} radius="xl" variant="light" aria-hidden>
          <Icon size={28} stroke={1.5} />
        </ThemeIcon>
        <Title order={2} size="h4">
          {title}
        </Title>
        <Text c="dimmed" size="sm" component="div">
          {children}
        </Text>
      </Stack>
    </Center>
  );
}
