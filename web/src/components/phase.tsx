import { Badge, type MantineSize } from '@mantine/core';
import {
  IconAlertTriangle,
  IconBan,
  IconCheck,
  IconCircleDashed,
  IconClock,
  IconClockX,
  IconHandStop,
  IconHelp,
  IconLoader,
  IconPlayerSkipForward,
  IconThumbUp,
  IconX,
} from '@tabler/icons-react';
import type { Schemas } from '~/api/client';

export type RunPhase = Schemas['RunSummary']['phase'];
export type TaskPhase = Schemas['Task']['phase'];

/** How a phase looks: never by colour alone. */
export const LOOK: Record<string, { color: string; icon: typeof IconX; label: string }> = {
  pending: { color: 'yellow', icon: IconClock, label: 'pending' },
  approved: { color: 'cyan', icon: IconThumbUp, label: 'approved' },
  running: { color: 'blue', icon: IconLoader, label: 'running' },
  succeeded: { color: 'teal', icon: IconCheck, label: 'succeeded' },
  failed: { color: 'red', icon: IconX, label: 'failed' },
  cancelled: { color: 'gray', icon: IconBan, label: 'cancelled' },
  rejected: { color: 'red', icon: IconHandStop, label: 'rejected' },
  expired: { color: 'gray', icon: IconClockX, label: 'expired' },
  waiting: { color: 'gray', icon: IconCircleDashed, label: 'waiting' },
  assigned: { color: 'cyan', icon: IconClock, label: 'assigned' },
  started: { color: 'blue', icon: IconLoader, label: 'running' },
  timed_out: { color: 'orange', icon: IconClockX, label: 'timed out' },
  lost: { color: 'grape', icon: IconHelp, label: 'lost' },
  refused: { color: 'red', icon: IconAlertTriangle, label: 'refused' },
  skipped: { color: 'gray', icon: IconPlayerSkipForward, label: 'skipped' },
};

/** Where a run or a task stands. */
export function Phase({ phase, size = 'md' }: { phase: string; size?: MantineSize }) {
  const look = LOOK[phase] ?? { color: 'gray', icon: IconHelp, label: phase };
  const Icon = look.icon;
  return (
    <Badge
      color={look.color}
      variant="light"
      size={size}
      radius="sm"
      tt="none"
      leftSection={<Icon size={12} aria-hidden />}
      styles={{ label: { color: 'var(--mantine-color-text)' } }}
    >
      {look.label}
    </Badge>
  );
}
