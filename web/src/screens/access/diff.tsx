import { Box } from '@mantine/core';
import classes from './diff.module.css';

const look = (line: string): string | undefined => {
  if (line.startsWith('@@')) return classes.place;
  if (line.startsWith('+')) return classes.added;
  return line.startsWith('-') ? classes.removed : undefined;
};

/** A unified diff, with its signs kept so that it is not told by colour alone. */
export function Diff({ text }: { text: string }) {
  const lines = text.replace(/\n$/, '').split('\n');
  return (
    // It scrolls, so the keyboard must reach it.
    <Box component="pre" className={classes.diff} tabIndex={0} role="group" aria-label="What changes">
      {lines.map((line, n) => (
        <span key={n} className={[classes.line, look(line)].filter(Boolean).join(' ')}>
          {line === '' ? ' ' : line}
        </span>
      ))}
    </Box>
  );
}
