import { Alert, Button, FileButton, Group, List, Stack, Text, Textarea } from '@mantine/core';
import { IconUpload } from '@tabler/icons-react';
import { useState } from 'react';
import { client, type Schemas, unwrap } from '~/api/client';
import { invalidate } from '~/api/query';
import { Confirm } from '~/components/confirm';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { useCan } from '~/session/session';
import { type Offered, readCopies } from './envelope';
import { Findings } from './findings';
import classes from './trust.module.css';

interface Checked {
  offered: Offered;
  check: Schemas['RootCheck'];
}

/** Publishing a signed root from here: looked over by the server first, then published, for those who may. */
export function Publish() {
  const may = useCan('trust.write');
  const [texts, setTexts] = useState<string[]>([]);
  const [wrong, setWrong] = useState('');
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const [checked, setChecked] = useState<Checked>();
  const [asking, setAsking] = useState(false);
  const [published, setPublished] = useState<Schemas['TrustRoot']>();
  const take = (next: string[]) => {
    setTexts(next);
    setWrong('');
    setError(undefined);
    setChecked(undefined);
    setPublished(undefined);
  };
  const check = async () => {
    setBusy(true);
    setWrong('');
    setError(undefined);
    try {
      const offered = await readCopies(texts.filter((text) => text.trim() !== ''));
      const found = await unwrap(
        client.POST('/api/v1/trust/check', { body: { document: offered.document as unknown as Record<string, never> } }),
      );
      setChecked({ offered, check: found });
    } catch (cause) {
      // What was read here is told in plain words; what the server refused, by its problem.
      if (cause instanceof Error && cause.name === 'Error') setWrong(cause.message);
      else setError(cause);
    } finally {
      setBusy(false);
    }
  };
  if (may === undefined) return null;
  if (!may) return <Text size="sm">Publishing takes the role owner everywhere. Hand the signed file to an owner.</Text>;
  return (
    <Stack gap="sm">
      <Text size="sm">Or from here: choose the signed file, or several copies of one root that were signed apart.</Text>
      <Group gap="xs">
        <FileButton
          multiple
          accept="application/json,.json"
          onChange={(files) => void Promise.all(files.map((file) => file.text())).then(take)}
        >
          {(props) => (
            <Button variant="default" leftSection={<IconUpload size={16} aria-hidden />} {...props}>
              Choose files
            </Button>
          )}
        </FileButton>
        {texts.length > 1 && <Text size="sm">{texts.length} files</Text>}
      </Group>
      {texts.length <= 1 && (
        <Textarea
          label="Signed root"
          description="The content of the signed file."
          autosize
          minRows={3}
          maxRows={10}
          value={texts[0] ?? ''}
          onChange={(event) => take([event.currentTarget.value])}
          error={wrong}
          spellCheck={false}
          classNames={{ input: classes.mono ?? '' }}
        />
      )}
      {texts.length > 1 && wrong !== '' && (
        <Text size="sm" role="alert">
          {wrong}
        </Text>
      )}
      {error !== undefined && <ProblemView error={error} />}
      <Group>
        <Button variant="default" onClick={() => void check()} loading={busy} disabled={texts.every((text) => text.trim() === '')}>
          Look it over
        </Button>
      </Group>
      {published && (
        <Alert color="teal" role="status" styles={{ message: { color: 'var(--mantine-color-text)' } }}>
          Version {published.version} is published, signed by {published.signedBy.join(', ')}. Agents accept it at once.
        </Alert>
      )}
      {checked && <LookedOver checked={checked} publish={() => setAsking(true)} />}
      {checked && (
        <Confirm
          opened={asking}
          close={() => setAsking(false)}
          title="Publish the trust root"
          what={`Publish version ${checked.offered.document.version}`}
          act={async () => {
            const root = await unwrap(client.POST('/api/v1/trust/roots', { body: { envelope: checked.offered.envelope } }));
            take([]);
            setPublished(root);
            invalidate('/api/v1/trust', '/api/v1/runs');
          }}
        >
          <Text size="sm">
            All nodes that judge by signatures accept it at once, and older versions never again. It cannot be taken back, only followed by
            another version.
          </Text>
          <Text className={classes.mono}>{checked.offered.digest}</Text>
        </Confirm>
      )}
    </Stack>
  );
}

function LookedOver({ checked, publish }: { checked: Checked; publish: () => void }) {
  const { offered, check } = checked;
  const signatures = offered.envelope.signatures.length;
  return (
    <Stack gap="sm" role="region" aria-label="What it would change">
      <Text fw={600}>
        Version {offered.document.version}, {signatures} {signatures === 1 ? 'signature' : 'signatures'}, expires{' '}
        <Time at={offered.document.expiresAt} />
      </Text>
      <div>
        <Text size="sm" c="dimmed">
          Its digest; compare it with what the holders saw when they signed:
        </Text>
        <div className={classes.mono}>{offered.digest}</div>
      </div>
      {check.changes.length > 0 && (
        <List size="sm" spacing={2}>
          {check.changes.map((line) => (
            <List.Item key={line}>{line}</List.Item>
          ))}
        </List>
      )}
      <Findings findings={check.findings} none="Nothing is odd about it." />
      <Group>
        <Button color="red.9" onClick={publish}>
          Publish version {offered.document.version}
        </Button>
      </Group>
    </Stack>
  );
}
