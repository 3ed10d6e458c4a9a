import { Alert, Button, Group, Stack, Table, Text } from '@mantine/core';
import { IconDownload, IconShieldCheck, IconShieldX } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api, type Schemas } from '~/api/client';
import { Command } from '~/components/command';
import { AnchorLink } from '~/components/links';
import { Loading } from '~/components/loading';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { visibleLine } from '~/lib/text';
import classes from './audit.module.css';
import { hex, text } from './bytes';
import { checkProof, type CheckedProof, holds } from './check';
import { useLogKey } from './head';
import { recall } from './memory';
import { readTile } from './read';
import { Checked, Hash } from './step';
import { growth, SIGNATURE } from './words';

type AuditProof = Schemas['AuditProof'];

/** The proof that one event is in the log, checked here, step by step. */
export function Proof({ position }: { position: number }) {
  const proof = api.useQuery(
    'get',
    '/api/v1/audit/proofs/{position}',
    { params: { path: { position } } },
    { retry: false, staleTime: Infinity },
  );
  const key = useLogKey();
  const checked = useQuery({
    queryKey: ['audit', 'proof', position, proof.data, key.data],
    queryFn: () => checkProof(position, proof.data as AuditProof, key.data ?? '', recall(), readTile),
    enabled: proof.data !== undefined && key.data !== undefined,
    staleTime: Infinity,
    retry: false,
  });
  const error = proof.error ?? key.error ?? checked.error;
  if (error)
    return <ProblemView error={error} retry={() => void (proof.error ? proof.refetch() : key.error ? key.refetch() : checked.refetch())} />;
  if (proof.data === undefined || checked.data === undefined) return <Loading />;
  return <Shown position={position} proof={proof.data} checked={checked.data} />;
}

function Shown({ position, proof, checked }: { position: number; proof: AuditProof; checked: CheckedProof }) {
  const good = holds(checked);
  const signature = SIGNATURE[checked.head.signature];
  const before = growth(checked.head);
  const { event } = proof;
  return (
    <Stack>
      <Alert
        color={good ? 'teal' : 'red'}
        role={good ? 'status' : 'alert'}
        icon={good ? <IconShieldCheck aria-hidden /> : <IconShieldX aria-hidden />}
        title={good ? `Event ${position} is in the log: checked by your browser` : `Event ${position} is not proved`}
        styles={{ title: { color: 'var(--mantine-color-text)' }, message: { color: 'var(--mantine-color-text)' } }}
      >
        <Text size="sm">
          {event.type}:{' '}
          <AnchorLink to="/events" search={{ subject: event.subject }} c="inherit" td="underline" size="sm">
            {visibleLine(event.subject)}
          </AnchorLink>
          , by {visibleLine(event.actor)}, <Time at={event.time} />
        </Text>
        {good && checked.head.signature === 'unsupported' && (
          <Text size="sm">All hashes hold; the signature could not be checked by this browser.</Text>
        )}
      </Alert>
      <Group gap="xs">
        <Download position={position} proof={proof} />
      </Group>
      <div>
        <ol className={classes.steps}>
          <Checked outcome={checked.asked ? 'good' : 'bad'} title="The event">
            {checked.asked
              ? `This is the event at position ${position}. What is hashed is its canonical JSON, ${text(checked.bytes).length} bytes.`
              : 'The server answered with another event than the one asked for.'}
            <details>
              <summary>Show the bytes</summary>
              <Command text={checked.bytes} label="Copy the canonical JSON" />
            </details>
          </Checked>
          <Checked outcome="good" title="Its leaf">
            SHA-256 over a zero byte and those bytes: <Hash>{hex(checked.leaf)}</Hash>
          </Checked>
          <Checked outcome={checked.root === undefined ? 'bad' : 'good'} title={`The way up: ${checked.steps.length} hashes`}>
            {checked.root === undefined
              ? 'The proof has too few or too many hashes for that place in a log of this size.'
              : 'Each step hashes a one byte, the left and the right hash. The hashes beside come from the proof; those that result were computed here.'}
            <Path checked={checked} />
          </Checked>
          <Checked outcome={checked.leads ? 'good' : 'bad'} title="The root">
            {checked.leads
              ? `The hashes lead to the root that the head of ${checked.head.head.size} events says: `
              : 'The hashes do not lead to the root that the head says. What was logged is not what is shown. The head says: '}
            <Hash>{hex(checked.head.head.root)}</Hash>
          </Checked>
          <Checked outcome={signature.outcome} title="The head’s signature">
            {signature.words}
          </Checked>
          <Checked outcome={before.outcome} title="Compared with what was seen before">
            {before.words}
          </Checked>
        </ol>
      </div>
    </Stack>
  );
}

function Path({ checked }: { checked: CheckedProof }) {
  if (checked.steps.length === 0) return null;
  return (
    <details>
      <summary>Show each step</summary>
      <Table mt="xs" withRowBorders verticalSpacing={6}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Step</Table.Th>
            <Table.Th>Beside</Table.Th>
            <Table.Th>Results in</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {checked.steps.map((step, n) => (
            <Table.Tr key={n}>
              <Table.Td>{n + 1}</Table.Td>
              <Table.Td>
                {step.side}: <Hash>{hex(step.sibling)}</Hash>
              </Table.Td>
              <Table.Td>
                <Hash>{hex(step.hash)}</Hash>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </details>
  );
}

function Download({ position, proof }: { position: number; proof: AuditProof }) {
  const [address, setAddress] = useState('');
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([`${JSON.stringify(proof, null, 2)}\n`], { type: 'application/json' }));
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [proof]);
  return (
    <Button
      component="a"
      variant="default"
      href={address}
      download={`synod-proof-${position}.json`}
      leftSection={<IconDownload size={16} aria-hidden />}
    >
      Download the proof
    </Button>
  );
}
