import { ActionIcon, Box, CopyButton, Tooltip } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import classes from './command.module.css';

/** Copies a text, and says that it did. */
export function Copy({ text, label = 'Copy' }: { text: string; label?: string }) {
  return (
    <CopyButton value={text} timeout={2000}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? 'Copied' : label}>
          <ActionIcon size={36} variant="subtle" color={copied ? 'teal' : 'gray'} onClick={copy} aria-label={copied ? 'Copied' : label}>
            {copied ? <IconCheck size={18} aria-hidden /> : <IconCopy size={18} aria-hidden />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  );
}

/** A command or other text to copy, wrapped so that a phone shows all of it. */
export function Command({ text, label = 'Copy the command' }: { text: string; label?: string }) {
  return (
    <Box className={classes.frame}>
      {/* It scrolls when it is long: the keyboard has to reach it. */}
      <pre className={classes.text} tabIndex={0}>
        {text}
      </pre>
      <Copy text={text} label={label} />
    </Box>
  );
}
