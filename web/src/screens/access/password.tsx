import { Button, Group, Text } from '@mantine/core';
import { IconDice5 } from '@tabler/icons-react';
import { useState } from 'react';
import { Copy } from '~/components/command';
import { randomPassword } from './random';

/** Makes a password up, shows it, and lets it be copied: it must be handed over somehow. */
export function Suggest({ take, taken }: { take: (password: string) => void; taken: string }) {
  const [made, setMade] = useState('');
  const suggest = () => {
    const password = randomPassword();
    setMade(password);
    take(password);
  };
  return (
    <Group gap="xs">
      <Button variant="default" leftSection={<IconDice5 size={16} aria-hidden />} onClick={suggest}>
        Make one up
      </Button>
      {made !== '' && made === taken && (
        <Group gap={4} wrap="nowrap">
          <Text ff="monospace" size="sm">
            {made}
          </Text>
          <Copy text={made} label="Copy the password" />
        </Group>
      )}
    </Group>
  );
}
