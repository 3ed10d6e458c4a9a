import { Anchor, Center, Stack, Text, Title } from '@mantine/core';
import { Link } from '@tanstack/react-router';

/** An address nobody lives at. */
export function NotFound() {
  return (
    <Center mih="60vh" p="md">
      <Stack align="center" gap="xs">
        <Title order={1} size="h2">
          Nothing is here
        </Title>
        <Text c="dimmed" size="sm" ta="center">
          The address may be mistyped, or what was here is gone.
        </Text>
        <Anchor component={Link} to="/">
          Back to the inbox
        </Anchor>
      </Stack>
    </Center>
  );
}
