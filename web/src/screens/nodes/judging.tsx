import { Badge, type MantineSize } from '@mantine/core';
import {
  IconAlertOctagon,
  IconEye,
  IconHelp,
  IconPlugConnected,
  IconPlugConnectedX,
  IconShieldCheck,
  IconShieldOff,
} from '@tabler/icons-react';
import type { Schemas } from '~/api/client';

export type Node = Schemas['Node'];

const TEXT = { label: { color: 'var(--mantine-color-text)' } };

/** How the modes of judging look, and what they mean in words. */
export const MODES: Record<string, { color: string; icon: typeof IconEye; label: string; about: string }> = {
  enforce: { color: 'teal', icon: IconShieldCheck, label: 'enforces', about: 'It judges by signatures and refuses what does not suffice.' },
  observe: { color: 'yellow', icon: IconEye, label: 'observes', about: 'It judges by signatures and only reports what does not suffice.' },
  off: { color: 'gray', icon: IconShieldOff, label: 'believes the server', about: 'It judges no signatures.' },
};
const UNKNOWN = { color: 'gray', icon: IconHelp, label: 'judging unknown', about: 'Its agent never said how it judges.' };

export const modeOf = (node: Node) => MODES[node.trust?.mode ?? ''] ?? UNKNOWN;

/** How a node judges agreements. */
export function Judging({ node, size = 'md' }: { node: Node; size?: MantineSize }) {
  const mode = modeOf(node);
  return (
    <Badge
      color={mode.color}
      variant="light"
      size={size}
      radius="sm"
      tt="none"
      leftSection={<mode.icon size={12} aria-hidden />}
      styles={TEXT}
    >
      {mode.label}
    </Badge>
  );
}

/** Whether its agent is connected. */
export function Connected({ node, size = 'md' }: { node: Node; size?: MantineSize }) {
  const Icon = node.connected ? IconPlugConnected : IconPlugConnectedX;
  return (
    <Badge
      color={node.connected ? 'teal' : 'orange'}
      variant="light"
      size={size}
      radius="sm"
      tt="none"
      leftSection={<Icon size={12} aria-hidden />}
      styles={TEXT}
    >
      {node.connected ? 'connected' : 'not connected'}
    </Badge>
  );
}

/** It has raised an alarm: loud. */
export function Alarmed({ size = 'md' }: { size?: MantineSize }) {
  return (
    <Badge
      color="red.8"
      c="white"
      variant="filled"
      size={size}
      radius="sm"
      tt="none"
      leftSection={<IconAlertOctagon size={12} aria-hidden />}
    >
      alarm
    </Badge>
  );
}
