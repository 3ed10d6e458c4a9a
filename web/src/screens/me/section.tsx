import { Card, Group, Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import { Loading } from '~/components/loading';
import { ProblemView } from '~/components/problem';

/** One matter on the screen: its heading, what it is for, what can be done. */
export function Section({ title, about, action, children }: { title: string; about?: ReactNode; action?: ReactNode; children: ReactNode }) {
  return (
    <Card component="section" aria-label={title}>
      <Stack gap="sm">
        <Group justify="space-between" align="center" gap="xs">
          <Title order={2} size="h4">
            {title}
          </Title>
          {action}
        </Group>
        {about && (
          <Text size="sm" c="dimmed" component="div">
            {about}
          </Text>
        )}
        {children}
      </Stack>
    </Card>
  );
}

/** A list that is read from the server: on its way, failed, or there. */
export function Listed<T>({
  query,
  none,
  children,
}: {
  query: { data?: { items: T[] } | undefined; error: unknown; refetch: () => unknown };
  none: ReactNode;
  children: (items: T[]) => ReactNode;
}) {
  if (query.data === undefined) return query.error ? <ProblemView error={query.error} retry={() => void query.refetch()} /> : <Loading />;
  if (query.data.items.length > 0) return children(query.data.items);
  return (
    <Text size="sm" component="div">
      {none}
    </Text>
  );
}
