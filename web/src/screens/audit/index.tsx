import { Alert, Button, Card, Group, NumberInput, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { IconLockOpenOff } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { Command } from '~/components/command';
import { useFilters } from '~/components/filters';
import { AnchorLink } from '~/components/links';
import { Page } from '~/components/page';
import { LogHead } from './head';
import { Proof } from './proof';

/** A position that an event can have. */
const isPosition = (position: number): boolean => Number.isSafeInteger(position) && position > 0;

/** The audit log: its signed head, and proofs that events are in it, all checked here. */
export default function Audit() {
  const [{ position = '' }] = useFilters<'position'>();
  const number = Number(position);
  // The browser gives its cryptography to secure pages only.
  const able = window.isSecureContext && 'subtle' in crypto;
  return (
    <Page
      title="Audit"
      about="Every event is a leaf of a Merkle tree whose head the server signs. Whoever changes, drops or inserts an event later cannot show heads that follow from each other."
    >
      {!able && (
        <Alert color="orange" icon={<IconLockOpenOff aria-hidden />} styles={{ message: { color: 'var(--mantine-color-text)' } }}>
          This page was not opened by https, so the browser does not let it compute hashes. Use the command line instead.
        </Alert>
      )}
      {able && <LogHead />}
      {able && (
        <Card component="section" aria-labelledby="prove">
          <Stack gap="sm">
            <Title order={2} size="h4" id="prove">
              Prove an event
            </Title>
            <Pick position={position} />
            {position !== '' && isPosition(number) && <Proof key={number} position={number} />}
          </Stack>
        </Card>
      )}
      <Whole position={isPosition(number) ? String(number) : 'POSITION'} />
    </Page>
  );
}

function Pick({ position }: { position: string }) {
  const [, change] = useFilters<'position'>();
  const [value, setValue] = useState<number | string>(position);
  const [wrong, setWrong] = useState(position !== '' && !isPosition(Number(position)));
  useEffect(() => setValue(position), [position]);
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        const fine = isPosition(Number(value));
        setWrong(!fine);
        if (fine) change({ position: String(value) });
      }}
    >
      <Stack gap="xs">
        <Group align="flex-start" gap="xs">
          <NumberInput
            label="Position"
            aria-describedby="where-from"
            placeholder="1"
            value={value}
            onChange={setValue}
            hideControls
            allowDecimal={false}
            allowNegative={false}
            error={wrong ? 'A position is a whole number from 1' : undefined}
            w={160}
            data-search
          />
          <Button type="submit" mt={25}>
            Prove it
          </Button>
        </Group>
        <Text size="sm" c="dimmed" id="where-from">
          Every event has one: open it on the{' '}
          <AnchorLink to="/events" size="sm" underline="always">
            events
          </AnchorLink>{' '}
          screen and choose “Prove it”.
        </Text>
      </Stack>
    </form>
  );
}

const WAYS = (position: string): [string, string][] => [
  [
    'synod audit verify --save head.txt',
    'Reads every event, recomputes the tree and compares it with the signed head; keeps the head for the next time.',
  ],
  ['synod audit verify --from head.txt', 'Proves from hashes alone that the log still begins with what an earlier head signed.'],
  [`synod audit prove ${position}`, 'Proves one event, as above.'],
  ['synod audit export FOLDER', 'Writes the log as files that other tools read too.'],
];

function Whole({ position }: { position: string }) {
  return (
    <Card component="section" aria-labelledby="whole">
      <Stack gap="sm">
        <Title order={2} size="h4" id="whole">
          Check the whole log
        </Title>
        <Text size="sm">
          This page came from the server whose log it checks. To believe nobody, check from your own machine, and keep a head outside of
          Synod now and then. The agents do so as well: each remembers the last head it saw and raises an alarm when the next does not
          follow.
        </Text>
        <SimpleGrid cols={{ base: 1, md: 2 }}>
          {WAYS(position).map(([command, about]) => (
            <Stack key={command} gap={4}>
              <Command text={command} />
              <Text size="sm" c="dimmed">
                {about}
              </Text>
            </Stack>
          ))}
        </SimpleGrid>
      </Stack>
    </Card>
  );
}
