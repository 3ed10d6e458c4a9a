import { Text, ThemeIcon } from '@mantine/core';
import { IconCheck, IconQuestionMark, IconX } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import classes from './audit.module.css';
import type { Outcome } from './words';

const MARK: Record<Outcome, { color: string; icon: typeof IconX; word: string }> = {
  good: { color: 'teal', icon: IconCheck, word: 'Holds' },
  bad: { color: 'red', icon: IconX, word: 'Does not hold' },
  unknown: { color: 'gray', icon: IconQuestionMark, word: 'Not known' },
};

/** One thing that was checked, and how that ended. */
export function Checked({ outcome, title, children }: { outcome: Outcome; title: string; children?: ReactNode }) {
  const mark = MARK[outcome];
  return (
    <li className={classes.step}>
      <ThemeIcon size={24} radius="xl" variant="light" color={mark.color} role="img" aria-label={mark.word}>
        <mark.icon size={16} aria-hidden />
      </ThemeIcon>
      <div>
        <Text fw={600} size="sm">
          {title}
        </Text>
        <Text size="sm" component="div">
          {children}
        </Text>
      </div>
    </li>
  );
}

export const Hash = ({ children }: { children: string }) => <span className={classes.hash}>{children}</span>;
