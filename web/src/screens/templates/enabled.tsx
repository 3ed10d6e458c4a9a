import { Button, Group, Modal, Stack, Switch, Text } from '@mantine/core';
import { useState } from 'react';
import { invalidate } from '~/api/query';
import { ProblemView } from '~/components/problem';
import { apply, type Document, withEnabled } from '~/editor';
import type { Template } from '~/screens/catalogue/words';
import { useCan } from '~/session/session';

/** Whether a template may be requested, and the quick way to change that: a new revision that differs in nothing else. */
export function EnabledSwitch({ template, label = false }: { template: Template; label?: boolean }) {
  const { namespace, name, revision } = template.metadata;
  const enabled = template.spec.enabled !== false;
  const may = useCan('template.write', namespace ? { namespace } : {});
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const change = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await apply(withEnabled(template as unknown as Document, !enabled), revision ?? undefined, false);
      invalidate('/api/v1/objects');
      setAsking(false);
    } catch (cause) {
      setError(cause);
    } finally {
      setBusy(false);
    }
  };
  const word = enabled ? 'Disable' : 'Enable';
  if (!may) return <Text size="sm">{enabled ? 'enabled' : 'disabled'}</Text>;
  return (
    <>
      <Switch
        checked={enabled}
        onChange={() => setAsking(true)}
        label={label ? (enabled ? 'Enabled' : 'Disabled') : undefined}
        aria-label={`${template.spec.title} is ${enabled ? 'enabled' : 'disabled'}`}
        size="md"
        styles={{ body: { minHeight: 36, alignItems: 'center' }, label: { fontSize: 'var(--mantine-font-size-sm)' } }}
      />
      <Modal opened={asking} onClose={() => setAsking(false)} title={`${word} ${name}?`} closeButtonProps={{ 'aria-label': 'Close' }}>
        <Stack>
          <Text size="sm">
            {enabled
              ? 'It can no longer be requested, in any revision. Runs that are requested already are not touched.'
              : 'It can be requested again by everybody who may request in its namespace.'}{' '}
            This makes revision {(revision ?? 0) + 1}.
          </Text>
          {error !== undefined && <ProblemView error={error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={() => setAsking(false)}>
              Back
            </Button>
            <Button loading={busy} color={enabled ? 'red.9' : 'indigo'} onClick={() => void change()}>
              {word} {name}
            </Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}
