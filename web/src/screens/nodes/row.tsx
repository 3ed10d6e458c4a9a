import { Badge, Group, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { Time } from '~/components/time';
import { visibleLine } from '~/lib/text';
import { Alarmed, Connected, Judging, type Node } from './judging';
import { written } from './labels';
import classes from './nodes.module.css';

/** A node in the list: what it is called, how it is, what it carries. A label narrows the list when it is pressed. */
export function Row({ node, pick }: { node: Node; pick: (condition: string) => void }) {
  const alarm = (node.trust?.alarm ?? '') !== '';
  const labels = Object.entries(node.labels);
  return (
    <div className={classes.row} data-alarm={alarm || undefined}>
      <Link to="/nodes/$name" params={{ name: node.name }} className={classes.name ?? ''}>
        {visibleLine(node.name)}
      </Link>
      <Group gap={6} className={classes.states ?? ''}>
        {alarm && <Alarmed />}
        <Connected node={node} />
        <Judging node={node} />
      </Group>
      <div className={classes.labels}>
        {labels.map((label) => (
          <button
            key={label[0]}
            type="button"
            className={classes.chip}
            onClick={() => pick(written(label))}
            aria-label={`Only nodes with ${visibleLine(written(label))}`}
          >
            {visibleLine(written(label))}
          </button>
        ))}
        {labels.length === 0 && (
          <Text size="sm" c="dimmed">
            no labels
          </Text>
        )}
      </div>
      <div className={classes.seen}>
        <Badge variant="default" size="md" radius="sm" tt="none">
          {node.version === '' ? 'no version' : `agent ${visibleLine(node.version)}`}
        </Badge>
        <Text size="sm" c="dimmed" span>
          {node.lastSeenAt ? (
            <>
              seen <Time at={node.lastSeenAt} ago />
            </>
          ) : (
            'never seen'
          )}
        </Text>
      </div>
    </div>
  );
}
