import { Group, List, Text } from '@mantine/core';
import { Phase } from '~/components/phase';
import { Time } from '~/components/time';
import { To } from './link';
import { visibleLine } from '~/lib/text';
import type { Run } from './logic/types';
import { counts } from './logic/words';

/** The last run of the same template, or the replayed one, and what differs from it. */
export function LastTime({ run }: { run: Run }) {
  const before = run.comparison;
  if (!before) return <Text size="sm">This template has not run before.</Text>;
  return (
    <>
      <Group gap={6} mb={4}>
        <Text size="sm">{before.replay ? 'Replay of' : 'Last time:'}</Text>
        <To to="/runs/$id" params={{ id: before.run }} search={{}}>
          <Text size="sm" span>
            {before.run}
          </Text>
        </To>
        <Phase phase={before.phase} />
      </Group>
      <Text size="sm" c="dimmed">
        {before.finishedAt && (
          <>
            <Time at={before.finishedAt} ago />
            {': '}
          </>
        )}
        {counts(before.tasks)}
      </Text>
      {before.differences.length === 0 ? (
        <Text size="sm" mt={4}>
          Nothing differs from it.
        </Text>
      ) : (
        <List size="sm" mt={4} spacing={2}>
          {before.differences.map((line) => (
            <List.Item key={line}>{visibleLine(line)}</List.Item>
          ))}
        </List>
      )}
      <Text size="sm" mt={6}>
        <To to="/runs/$id/compare/$other" params={{ id: run.id, other: before.run }}>
          Compare the two
        </To>
      </Text>
    </>
  );
}
