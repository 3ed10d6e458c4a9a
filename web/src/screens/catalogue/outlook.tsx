import { Accordion, Badge, Code, Group, List, Stack, Table, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { Time } from '~/components/time';
import type { RunPlan } from '~/forms/request';
import { shown, visible, visibleJson, visibleLine } from '~/lib/text';
import classes from './catalogue.module.css';

const SHOWN = 40;

/** What a request would do: nodes, batches, who would have to agree, and every step with the inputs in it. */
export function Outlook({ plan, open }: { plan: RunPlan; open: string[] }) {
  const { nodes, keptOut, batches, approvers, preview, manifest } = plan;
  return (
    <Accordion multiple defaultValue={open} variant="separated" order={3}>
      <Accordion.Item value="nodes">
        <Accordion.Control>
          {nodes.length} {nodes.length === 1 ? 'node' : 'nodes'}
          {batches.length > 1 ? ` in ${batches.length} batches` : ', all at once'}
        </Accordion.Control>
        <Accordion.Panel>
          <Stack gap="xs">
            <Names names={nodes.map((one) => one.name)} />
            {batches.length > 1 && (
              <Text size="sm">
                Batches of {batches.slice(0, 12).join(', ')}
                {batches.length > 12 ? ', …' : ''}
                {manifest.strategy.gate === 'manual' ? '; somebody lets each next one go' : ''}.
              </Text>
            )}
            {keptOut.length > 0 && (
              <Text size="sm" component="div">
                <IconAlertTriangle size={14} aria-hidden /> Matched, but kept out by the template or the namespace:{' '}
                <Names names={keptOut} />
              </Text>
            )}
          </Stack>
        </Accordion.Panel>
      </Accordion.Item>
      <Accordion.Item value="approvers">
        <Accordion.Control>
          {approvers.length === 0
            ? 'Nobody has to approve by the template’s rules'
            : manifest.breakGlass
              ? 'Who must ratify it afterwards'
              : 'Who must agree'}
        </Accordion.Control>
        <Accordion.Panel>
          <Agreement plan={plan} />
        </Accordion.Panel>
      </Accordion.Item>
      <Accordion.Item value="steps">
        <Accordion.Control>
          {preview.length === 1 ? 'What is run: one step' : `What is run: ${preview.length} steps`}
          {preview.some((one) => one.raw) && ' (with a warning)'}
        </Accordion.Control>
        <Accordion.Panel>
          <Stack gap="sm">
            {preview.map((step, n) => (
              <div key={step.name}>
                <Text size="sm" fw={600}>
                  {n + 1}. {visibleLine(step.name)}
                </Text>
                {manifest.steps[n]?.when && (
                  <Text size="xs" c="dimmed">
                    only when {visibleLine(manifest.steps[n]?.when ?? '')}
                  </Text>
                )}
                <Code block className={classes.script ?? ''}>
                  {visible(step.script)}
                </Code>
                {step.raw && (
                  <Text size="sm">
                    <IconAlertTriangle size={14} aria-hidden /> Mind: `raw` lets a value become code here.
                  </Text>
                )}
              </div>
            ))}
            <Text size="xs" c="dimmed">
              ⟨…⟩ is only known on the node{manifest.runAs ? `. Runs as ${manifest.runAs}` : ''}. Each node may take {manifest.timeout}.
            </Text>
          </Stack>
        </Accordion.Panel>
      </Accordion.Item>
    </Accordion>
  );
}

function Agreement({ plan: { approvers, manifest } }: { plan: RunPlan }) {
  return (
    <Stack gap="xs">
      {approvers.length > 0 && (
        <List size="sm" spacing={4}>
          {approvers.map((rule) => (
            <List.Item key={rule.rule}>
              {rule.rule}: {rule.candidates.length > 0 ? <>{rule.candidates.join(', ')} could</> : <b>nobody could</b>}
            </List.Item>
          ))}
        </List>
      )}
      {approvers.length > 1 && (
        <Text size="xs" c="dimmed">
          One person fills one rule only.
        </Text>
      )}
      <Text size="xs" c="dimmed">
        {manifest.breakGlass ? 'You must sign until' : 'They may decide until'} <Time at={manifest.approveBy} />; no task starts after{' '}
        <Time at={manifest.expiresAt} />. A published trust root may ask for more.
      </Text>
    </Stack>
  );
}

function Names({ names }: { names: string[] }) {
  return (
    <Group gap={4} component="span" display="inline-flex">
      {names.slice(0, SHOWN).map((name) => (
        <Badge key={name} variant="default" radius="sm" tt="none" fw={500}>
          {name}
        </Badge>
      ))}
      {names.length > SHOWN && <Text size="sm">and {names.length - SHOWN} more</Text>}
    </Group>
  );
}

/** The manifest in words, and as the document whose digest will be approved. */
export function ManifestView({ plan: { manifest } }: { plan: RunPlan }) {
  const rows: [string, React.ReactNode][] = [
    ['Template', `${manifest.namespace}/${manifest.template.name}, revision ${manifest.template.revision} by ${manifest.template.author}`],
    ['Requested by', manifest.requester],
    ['Why', manifest.reason === '' ? '(no reason given)' : visible(manifest.reason)],
    ...Object.entries(manifest.inputs as Record<string, unknown>).map(([name, value]): [string, React.ReactNode] => [
      visibleLine(name),
      visible(shown(value)),
    ]),
    ...Object.keys(manifest.secrets ?? {}).map((name): [string, React.ReactNode] => [visibleLine(name), '⟨secret⟩']),
    ['Not before', manifest.notBefore ? <Time key="t" at={manifest.notBefore} /> : 'as soon as it is approved'],
    ...(manifest.breakGlass ? [['Break-glass rule', manifest.breakGlass] as [string, React.ReactNode]] : []),
  ];
  return (
    <Stack gap="sm">
      <Table variant="vertical" layout="fixed" withTableBorder>
        <Table.Tbody>
          {rows.map(([what, value]) => (
            <Table.Tr key={what}>
              <Table.Th w={130} scope="row">
                {what}
              </Table.Th>
              <Table.Td>{value}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <details>
        <summary>The manifest as a document</summary>
        <Code block className={classes.script ?? ''}>
          {visibleJson(manifest)}
        </Code>
        <Text size="xs" c="dimmed">
          Run id and nonce are placeholders until it is requested.
        </Text>
      </details>
    </Stack>
  );
}
