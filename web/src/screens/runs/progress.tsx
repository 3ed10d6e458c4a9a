import { Group, Progress, Stack, Text } from '@mantine/core';
import { LOOK } from '~/components/phase';
import { hasEnded, type Run } from './logic/types';
import { count, tally } from './logic/words';

/** How far a run has come: its tasks by phase and its batches. */
export function RunProgress({ run }: { run: Run }) {
  const tasks = tally(run.tasks);
  const total = tasks.reduce((sum, { n }) => sum + n, 0) || run.nodeCount;
  const ended = total - run.tasks.waiting - run.tasks.assigned - run.tasks.started;
  return (
    <Stack gap={6}>
      <Progress.Root size={14} radius="sm" aria-label={`${ended} of ${count(total, 'node')} ended`}>
        {tasks
          .filter(({ phase }) => phase !== 'waiting')
          .map(({ phase, label, n }) => (
            <Progress.Section key={phase} value={(100 * n) / total} color={LOOK[phase]?.color ?? 'gray'} aria-label={`${n} ${label}`} />
          ))}
      </Progress.Root>
      <Group gap="xs" justify="space-between">
        <Group gap="sm">
          {tasks.map(({ phase, label, n }) => {
            const look = LOOK[phase];
            return (
              <Group key={phase} gap={4} wrap="nowrap">
                {look && <look.icon size={14} aria-hidden color={`var(--mantine-color-${look.color}-6)`} />}
                <Text size="sm">
                  {n.toLocaleString('en')} {label}
                </Text>
              </Group>
            );
          })}
        </Group>
        <Text size="sm" c="dimmed">
          {hasEnded(run) ? `${run.batch} of ${count(run.batches.length, 'batch')} begun` : `batch ${run.batch} of ${run.batches.length}`}
        </Text>
      </Group>
    </Stack>
  );
}
