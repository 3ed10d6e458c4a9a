import { Group, List, Text, ThemeIcon, VisuallyHidden } from '@mantine/core';
import { IconAlertTriangle, IconInfoCircle, IconX } from '@tabler/icons-react';
import { Ticked } from '~/components/ticked';
import type { Finding } from './root';
import { visible, visibleLine } from '~/lib/text';

const LOOK: Record<string, { color: string; icon: typeof IconX; word: string }> = {
  error: { color: 'red', icon: IconX, word: 'Error' },
  warning: { color: 'orange', icon: IconAlertTriangle, word: 'Warning' },
};
const NOTE = { color: 'blue', icon: IconInfoCircle, word: 'Note' };

/** What is odd about a root, the worst first as the server gives it. */
export function Findings({ findings, none }: { findings: Finding[]; none: string }) {
  if (findings.length === 0) return <Text size="sm">{none}</Text>;
  return (
    <List listStyleType="none" spacing="xs" size="sm">
      {findings.map((one, n) => {
        const look = LOOK[one.severity] ?? NOTE;
        return (
          <List.Item key={n} styles={{ itemWrapper: { display: 'block' } }}>
            <Group gap="xs" wrap="nowrap" align="flex-start">
              <ThemeIcon size={22} variant="light" color={look.color} aria-hidden>
                <look.icon size={14} />
              </ThemeIcon>
              <div>
                {/* A note's mark says it to the eye. */}
                {look === NOTE ? <VisuallyHidden>{look.word}, </VisuallyHidden> : `${look.word}, `}
                <b>{visibleLine(one.about)}</b>: <Ticked text={visible(one.message)} />
              </div>
            </Group>
          </List.Item>
        );
      })}
    </List>
  );
}
