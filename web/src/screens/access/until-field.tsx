import { Button, Group, Stack, TextInput } from '@mantine/core';
import { fromField, toField } from '~/components/filters';

const SPANS: [string, number][] = [
  ['8 hours', 8 / 24],
  ['1 day', 1],
  ['1 week', 7],
  ['30 days', 30],
];
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Until when something holds: a time of one's own, or one of the usual spans from now. Empty is for ever. */
export function UntilField({ value, change, error }: { value: string; change: (value: string) => void; error?: string }) {
  return (
    <Stack gap="xs">
      <TextInput
        type="datetime-local"
        label="Until"
        description={`Empty: for ever. Local time (${zone}).`}
        value={toField(value)}
        onChange={(event) => change(fromField(event.currentTarget.value))}
        error={error}
      />
      <Group gap={6}>
        {SPANS.map(([words, days]) => (
          <Button key={words} variant="default" onClick={() => change(new Date(Date.now() + days * 86_400_000).toISOString())}>
            {words}
          </Button>
        ))}
        <Button variant="default" onClick={() => change('')}>
          For ever
        </Button>
      </Group>
    </Stack>
  );
}
