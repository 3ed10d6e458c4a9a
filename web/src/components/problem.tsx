import { Alert, Button, Code, Group, List, Stack, Text } from '@mantine/core';
import { IconAlertTriangle, IconPlugConnectedX } from '@tabler/icons-react';
import { CODE, toApiError } from '~/api/problem';
import { visible, visibleLine } from '~/lib/text';
import { Ticked } from './ticked';

/** What happened, what to do, and the code: for anything that was thrown. */
export function ProblemView({ error, retry, except }: { error: unknown; retry?: () => void; except?: (pointer: string) => boolean }) {
  const { problem, code } = toApiError(error);
  const problems = (problem.problems ?? []).filter((one) => !except?.(one.pointer));
  const offline = code === CODE.offline;
  return (
    <Alert
      color={offline ? 'orange' : 'red'}
      variant="light"
      role="alert"
      icon={offline ? <IconPlugConnectedX aria-hidden /> : <IconAlertTriangle aria-hidden />}
      title={problem.title}
      styles={{ title: { color: 'var(--mantine-color-text)' }, message: { color: 'var(--mantine-color-text)' } }}
    >
      <Stack gap="xs">
        {problems.length === 0 && (
          <Text size="sm">
            <Ticked text={visible(problem.detail)} />
          </Text>
        )}
        {problems.length > 0 && (
          <List size="sm" spacing={4}>
            {problems.map((one, n) => (
              <List.Item key={n}>
                {one.pointer !== '' && <Code>{visibleLine(one.pointer)}</Code>}
                {one.line ? ` line ${one.line}${one.column ? `, column ${one.column}` : ''}` : ''}
                {one.pointer !== '' && ': '}
                <Ticked text={visible(one.message)} />
                {one.hint && (
                  <>
                    {' '}
                    <Ticked text={visible(one.hint)} />
                  </>
                )}
              </List.Item>
            ))}
          </List>
        )}
        {problem.remedy && (
          <Text size="sm">
            <Ticked text={visible(problem.remedy)} />
          </Text>
        )}
        <Group gap="sm" justify="space-between">
          <Text size="xs" c="dimmed">
            {code === CODE.offline ? '' : code}
            {problem.requestId ? ` · request ${problem.requestId}` : ''}
          </Text>
          {retry && (
            <Button size="xs" variant="default" onClick={retry}>
              Try again
            </Button>
          )}
        </Group>
      </Stack>
    </Alert>
  );
}
