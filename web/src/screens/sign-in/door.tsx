import { Box, Card, Group, Stack, Text, Title } from '@mantine/core';
import { type ReactNode, useEffect } from 'react';
import { href } from '~/lib/base';

/** The frame of the screens before anybody is signed in. */
export function Door({ title, about, width = 420, children }: { title: string; about?: ReactNode; width?: number; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Synod`;
  }, [title]);
  return (
    <Box component="main" px="md" py={{ base: 'lg', sm: 64 }}>
      <Stack gap="lg" maw={width} mx="auto">
        <Group gap="sm" justify="center">
          <img src={href('icon.svg')} width={36} height={36} alt="" />
          <Text fw={700} size="xl">
            Synod
          </Text>
        </Group>
        <Card p={{ base: 'md', sm: 'xl' }}>
          <Stack gap="md">
            <Box>
              <Title order={1} size="h2">
                {title}
              </Title>
              {about && (
                <Text c="dimmed" size="sm" component="div" mt={4}>
                  {about}
                </Text>
              )}
            </Box>
            {children}
          </Stack>
        </Card>
      </Stack>
    </Box>
  );
}
