import { Alert, List, Text, UnstyledButton } from '@mantine/core';
import { IconAlertTriangle, IconCheck } from '@tabler/icons-react';
import { ProblemView } from '~/components/problem';
import { visible } from '~/lib/text';
import type { Checked, Finding } from './check';
import classes from './findings.module.css';

const lineOf = (text: string, offset: number): number => text.slice(0, offset).split('\n').length;

/** What is wrong with a text, in words, below it; pressing one goes there. */
export function Findings({ checked, text, goTo }: { checked: Checked | undefined; text: string; goTo: (finding: Finding) => void }) {
  const count = checked?.findings.length ?? 0;
  return (
    <div role="status">
      {checked?.refused && <ProblemView error={checked.refused} />}
      {checked?.plan && (
        <Text size="sm">
          <IconCheck size={14} aria-hidden /> {WORDS[checked.plan.action](checked.plan.revision)}
        </Text>
      )}
      {count > 0 && (
        <Alert
          color="red"
          icon={<IconAlertTriangle aria-hidden />}
          title={count === 1 ? 'One thing is wrong' : `${count} things are wrong`}
          styles={{ title: { color: 'var(--mantine-color-text)' } }}
        >
          <List size="sm" listStyleType="none">
            {checked?.findings.map((one, n) => (
              <List.Item key={n}>
                <UnstyledButton className={classes.finding} onClick={() => goTo(one)}>
                  <b>Line {lineOf(text, one.from)}</b>: {visible(one.message)}
                  {one.hint ? `; ${one.hint}` : ''}
                </UnstyledButton>
              </List.Item>
            ))}
          </List>
        </Alert>
      )}
    </div>
  );
}

const WORDS: Record<'created' | 'updated' | 'unchanged', (revision: number) => string> = {
  created: () => 'Nothing is wrong with it. Saving makes it revision 1.',
  updated: (revision) => `Nothing is wrong with it. Saving makes it revision ${revision}.`,
  unchanged: (revision) => `It says the same as revision ${revision}.`,
};
