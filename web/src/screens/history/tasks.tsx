import { Group, Stack, Table, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { Schemas } from '~/api/client';
import { AnchorLink } from '~/components/links';
import { Phase } from '~/components/phase';
import { Ticked } from '~/components/ticked';
import { Time } from '~/components/time';
import { between } from '~/lib/time';
import { visibleLine } from '~/lib/text';
import classes from './history.module.css';

type Task = Schemas['Task'];

const took = (task: Task): string => (task.startedAt && task.finishedAt ? between(task.startedAt, task.finishedAt) : '');
const when = (task: Task): string | null | undefined => task.startedAt ?? task.assignedAt ?? task.finishedAt;
const told = (task: Task): string => visibleLine(task.reason || (task.warnings ?? []).join('; '));

/** Tasks as a table where there is room, as cards where there is not. */
export function Tasks({ tasks }: { tasks: Task[] }) {
  return (
    <>
      <Table.ScrollContainer minWidth={720} visibleFrom="md" type="native">
        <Table striped highlightOnHover className={classes.table}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Phase</Table.Th>
              <Table.Th>Node</Table.Th>
              <Table.Th>Template</Table.Th>
              <Table.Th>Run</Table.Th>
              <Table.Th>Began</Table.Th>
              <Table.Th ta="right">Took</Table.Th>
              <Table.Th ta="right">Exit</Table.Th>
              <Table.Th>Why</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {tasks.map((task) => (
              <Table.Tr key={task.id}>
                <Table.Td>
                  <Phase phase={task.phase} />
                </Table.Td>
                <Table.Td>
                  <AnchorLink to="/nodes/$name" params={{ name: task.node }} size="sm">
                    {task.node}
                  </AnchorLink>
                </Table.Td>
                <Table.Td>
                  {task.namespace}/{task.template}
                </Table.Td>
                <Table.Td>
                  <AnchorLink to="/runs/$id" params={{ id: task.run }} search={{ node: task.node }} size="sm" ff="monospace">
                    {task.run}
                  </AnchorLink>
                </Table.Td>
                <Table.Td>
                  <Time at={when(task)} />
                </Table.Td>
                <Table.Td ta="right">{took(task)}</Table.Td>
                <Table.Td ta="right">{task.exitCode ?? ''}</Table.Td>
                <Table.Td className={classes.reason}>
                  <Ticked text={told(task)} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      <Stack gap="xs" hiddenFrom="md" component="ul" p={0} m={0} style={{ listStyle: 'none' }}>
        {tasks.map((task) => (
          <li key={task.id}>
            <Link to="/runs/$id" params={{ id: task.run }} search={{ node: task.node }} className={classes.card ?? ''}>
              <Group justify="space-between" gap="xs">
                <Text fw={600}>{task.node}</Text>
                <Phase phase={task.phase} />
              </Group>
              <Text size="sm">
                {task.namespace}/{task.template}
              </Text>
              <Text size="sm" c="dimmed">
                <Time at={when(task)} />
                {took(task) && `, took ${took(task)}`}
                {task.exitCode !== null && task.exitCode !== undefined && `, exit code ${task.exitCode}`}
              </Text>
              {told(task) && (
                <Text size="sm">
                  <Ticked text={told(task)} />
                </Text>
              )}
            </Link>
          </li>
        ))}
      </Stack>
    </>
  );
}
