import { Badge, Button, Group, Text } from '@mantine/core';
import { IconCheck } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { Command } from '~/components/command';
import classes from './me.module.css';

/** One key that signs: its name, its id to compare and hand over, whether the trust root has it. */
export function KeyRow({
  name,
  keyId,
  trusted,
  about,
  remove,
}: {
  name: string;
  keyId: string;
  trusted: boolean;
  about: ReactNode;
  remove: () => void;
}) {
  return (
    <li className={classes.block}>
      <Group justify="space-between" wrap="nowrap" gap="sm">
        <div className={classes.grow}>
          <Group gap="xs">
            <Text fw={600} size="sm">
              {name}
            </Text>
            {trusted && (
              <Badge
                color="teal"
                variant="light"
                tt="none"
                leftSection={<IconCheck size={12} aria-hidden />}
                styles={{ label: { color: 'var(--mantine-color-text)' } }}
              >
                in the trust root
              </Badge>
            )}
          </Group>
          <Text size="xs" c="dimmed" component="div">
            {about}
          </Text>
        </div>
        <Button variant="default" onClick={remove} aria-label={`Remove ${name}`}>
          Remove
        </Button>
      </Group>
      <Command text={keyId} label={`Copy the key id of ${name}`} />
    </li>
  );
}
