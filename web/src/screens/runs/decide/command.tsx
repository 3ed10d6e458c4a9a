import { ActionIcon, Code, CopyButton, Group } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';

/** A command to be run elsewhere, with a button that copies it. */
export function Command({ text }: { text: string }) {
  return (
    <Group gap="xs" wrap="nowrap">
      <Code block style={{ flex: 1, whiteSpace: 'pre-wrap' }}>
        {text}
      </Code>
      <CopyButton value={text}>
        {({ copied, copy }) => (
          <ActionIcon size={36} variant="default" onClick={copy} aria-label={copied ? 'Copied' : 'Copy the command'}>
            {copied ? <IconCheck size={18} aria-hidden /> : <IconCopy size={18} aria-hidden />}
          </ActionIcon>
        )}
      </CopyButton>
    </Group>
  );
}

/** A word of a command line, quoted where a shell would take it apart. */
export const word = (text: string): string => (/^[\w\-./:=@%+,]+$/.test(text) ? text : `'${text.replace(/'/g, "'\\''")}'`);
