import { Badge, Group, Text } from '@mantine/core';
import { IconFlame } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { Phase } from '~/components/phase';
import { Time } from '~/components/time';
import { titleOf, visibleLine } from '~/lib/text';
import type { RunSummary } from './logic/types';
import { count, RATIFICATION } from './logic/words';
import classes from './list.module.css';

/** A run in a list: what, where it stands, who asked when, why. The whole row leads to it. */
export function RunRow({ run }: { run: RunSummary }) {
  return (
    <Link to="/runs/$id" params={{ id: run.id }} search={{}} className={classes.row ?? ''}>
      <div className={classes.title}>
        <Text fw={600} lineClamp={2}>
          {titleOf(run)}
        </Text>
        <Text size="sm" c="dimmed" lineClamp={2}>
          {run.reason === '' ? 'no reason given' : visibleLine(run.reason)}
        </Text>
        {run.message && (
          <Text size="sm" lineClamp={2}>
            {visibleLine(run.message)}
          </Text>
        )}
      </div>
      <Group gap={6} className={classes.phase ?? ''}>
        <Phase phase={run.phase} />
        {run.breakGlass && (
          <Badge
            color="red"
            variant="light"
            radius="sm"
            tt="none"
            h="auto"
            leftSection={<IconFlame size={12} aria-hidden />}
            styles={{ label: { color: 'var(--mantine-color-text)', whiteSpace: 'normal' } }}
          >
            break-glass{run.ratification ? `, ${RATIFICATION[run.ratification]}` : ''}
          </Badge>
        )}
      </Group>
      <Text size="sm" className={classes.where} truncate>
        {run.namespace}/{run.template}
        <Text span size="sm" c="dimmed">
          {' '}
          · {count(run.nodeCount, 'node')}
        </Text>
      </Text>
      <Text size="sm" c="dimmed" className={classes.who} truncate>
        {run.requester}, <Time at={run.createdAt} ago />
      </Text>
    </Link>
  );
}
