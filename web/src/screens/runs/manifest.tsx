import { Button, Code, CopyButton, Group, SegmentedControl, Stack, Text } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import { useState } from 'react';
import { Time } from '~/components/time';
import { Checked } from './decide/checked';
import { Fact, Facts, Inputs } from './facts';
import classes from './facts.module.css';
import { visible, visibleLine } from '~/lib/text';
import type { Run } from './logic/types';
import { approval, batches, count, strategy } from './logic/words';

/** The document that people approve, to be read, and as it is; with its digest checked here. */
export function ManifestView({ run }: { run: Run }) {
  const [view, setView] = useState('read');
  return (
    <Stack gap="sm">
      <Text size="sm">The manifest is the document of exactly what this run does. Its SHA-256 is what people approve and nodes check.</Text>
      <Group gap="xs" wrap="nowrap" align="flex-start">
        <Code block fz="sm" style={{ flex: 1, whiteSpace: 'pre-wrap' }}>
          {run.digest}
        </Code>
        <Copy text={run.digest} what="digest" />
      </Group>
      <Checked run={run} />
      <SegmentedControl
        value={view}
        onChange={setView}
        data={[
          { value: 'read', label: 'To read' },
          { value: 'raw', label: 'As it is' },
        ]}
        aria-label="How the manifest is shown"
        style={{ alignSelf: 'flex-start' }}
      />
      {view === 'read' ? <Readable run={run} /> : <Raw run={run} />}
    </Stack>
  );
}

function Readable({ run }: { run: Run }) {
  const { manifest } = run;
  return (
    <Facts>
      <Fact name="Run">{manifest.run}</Fact>
      <Fact name="Template">
        {manifest.namespace}/{manifest.template.name}, revision {manifest.template.revision} by {manifest.template.author}
        <Code block style={{ whiteSpace: 'pre-wrap' }}>
          {manifest.template.digest}
        </Code>
      </Fact>
      <Fact name="Requester">{manifest.requester}</Fact>
      <Fact name="Reason">{visible(manifest.reason)}</Fact>
      <Fact name="Inputs">
        <Inputs manifest={manifest} />
      </Fact>
      <Fact name="Nodes">
        {count(manifest.nodes.count, 'node')}, by their Merkle root
        <Code block style={{ whiteSpace: 'pre-wrap' }}>
          {manifest.nodes.root}
        </Code>
      </Fact>
      <Fact name="Rollout">
        {strategy(manifest.strategy)}; in batches of {batches(run.batches)}
      </Fact>
      <Fact name="Approval">{approval(manifest.approval)}</Fact>
      <Fact name="Steps">{manifest.steps.map((step) => visibleLine(step.name)).join(', ')}</Fact>
      <Fact name="Time">
        at most {manifest.timeout} a node; a node begins within {manifest.startDeadline}
      </Fact>
      <Fact name="Runs as">{manifest.runAs ?? 'the agent’s own account'}</Fact>
      <Fact name="Requested">
        <Time at={manifest.createdAt} />
      </Fact>
      {manifest.notBefore && (
        <Fact name="Not before">
          <Time at={manifest.notBefore} />
        </Fact>
      )}
      <Fact name="Decide by">
        <Time at={manifest.approveBy} />
      </Fact>
      <Fact name="Start by">
        <Time at={manifest.expiresAt} />
      </Fact>
      {manifest.breakGlass && <Fact name="Break-glass">rule {manifest.breakGlass}</Fact>}
      <Fact name="Nonce">
        <span className={classes.mono}>{manifest.nonce}</span>
      </Fact>
    </Facts>
  );
}

function Raw({ run }: { run: Run }) {
  const text = JSON.stringify(run.manifest, null, 2);
  return (
    <Stack gap="xs">
      <pre className={classes.script} tabIndex={0} aria-label="The manifest as it is">
        {visible(text)}
      </pre>
      <Copy text={text} what="manifest" />
    </Stack>
  );
}

const Copy = ({ text, what }: { text: string; what: string }) => (
  <CopyButton value={text}>
    {({ copied, copy }) => (
      <Button
        variant="default"
        onClick={copy}
        leftSection={copied ? <IconCheck size={16} aria-hidden /> : <IconCopy size={16} aria-hidden />}
        style={{ alignSelf: 'flex-start' }}
        aria-label={`Copy the ${what}`}
      >
        {copied ? 'Copied' : 'Copy'}
      </Button>
    )}
  </CopyButton>
);
