import { Button, Chip, Collapse, Group, Stack, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconChevronDown, IconChevronUp } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { api, type Schemas } from '~/api/client';
import { asked, matches, parse, toggle } from '~/forms/selector';
import classes from './catalogue.module.css';
import { chips, labelsOfNode, MANY } from './nodes';
import type { Template } from './words';

/** Says which nodes, as a query, with the labels and nodes there are to press. Only nodes the template allows are offered. */
export function NodePicker(props: {
  target: string;
  changed: (target: string) => void;
  touched: () => void;
  targets: Template['spec']['targets'];
  error: string | undefined;
  /** How many it is by the server's word, when the whole request is right. */
  count: number | undefined;
}) {
  const { target, changed, targets } = props;
  const selector = targets?.selector ?? '';
  const { data, error } = api.useQuery('get', '/api/v1/nodes', {
    params: { query: { ...(selector === '' ? {} : { selector }), limit: 500 } },
  });
  const allowed = useMemo(() => {
    const exclude = targets?.exclude ? parse(targets.exclude) : undefined;
    return (data?.items ?? [])
      .map((node) => ({ node, labels: labelsOfNode(node) }))
      .filter(({ labels }) => !Array.isArray(exclude) || !matches(exclude, labels));
  }, [data, targets?.exclude]);
  const read = parse(target);
  const requirements = Array.isArray(read) ? read : [];
  const matching = Array.isArray(read) ? allowed.filter(({ labels }) => matches(read, labels)).length : undefined;
  const more = data?.next != null;
  return (
    <Stack gap="xs">
      <TextInput
        label="Nodes"
        description="A label query such as role=web,env!=dev; empty for every node this may run on."
        placeholder="every node it may run on"
        value={target}
        onChange={(event) => changed(event.currentTarget.value)}
        onBlur={props.touched}
        error={props.error}
        spellCheck={false}
        autoCapitalize="none"
        autoComplete="off"
        styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
      />
      <Text size="sm" role="status">
        <Count count={props.count} matching={matching} of={allowed.length} more={more} targets={targets} />
      </Text>
      {error !== null && error !== undefined && (
        <Text size="sm" c="dimmed">
          You may not see the nodes, so none are offered here; the server still tells what fits.
        </Text>
      )}
      {chips(allowed.map(({ labels }) => labels)).map(([key, values]) => (
        <Group key={key} gap={6} role="group" aria-label={`Label ${key}`}>
          <Text size="sm" c="dimmed" miw={56}>
            {key}
          </Text>
          {values.map(([value, count]) => (
            <Chip
              key={value}
              size="sm"
              variant="outline"
              checked={asked(requirements, key, value)}
              onChange={() => changed(toggle(target, key, value))}
              classNames={{ label: classes.chip ?? '' }}
            >
              {value} ({count})
            </Chip>
          ))}
        </Group>
      ))}
      {allowed.length > 0 && <Single nodes={allowed.map(({ node }) => node)} target={target} changed={changed} />}
      {more && (
        <Text size="xs" c="dimmed">
          There are more nodes than the first 500; write name=… to pick others.
        </Text>
      )}
    </Stack>
  );
}

function Count({
  count,
  matching,
  of,
  more,
  targets,
}: {
  count: number | undefined;
  matching: number | undefined;
  of: number;
  more: boolean;
  targets: Template['spec']['targets'];
}) {
  const least = targets?.min ?? 1;
  const most = targets?.max;
  const bounds = `${most ? `${least} to ${most}` : `at least ${least}`} needed`;
  if (count !== undefined)
    return (
      <>
        <b>
          {count} {count === 1 ? 'node' : 'nodes'}
        </b>{' '}
        by this query
      </>
    );
  if (matching === undefined) return <>This cannot be read yet.</>;
  return (
    <>
      <b>
        {matching}
        {more ? ' or more' : ''} of {of}
        {more ? '+' : ''} nodes
      </b>{' '}
      match ({bounds})
    </>
  );
}

/** Single nodes by name. */
function Single({ nodes, target, changed }: { nodes: Schemas['Node'][]; target: string; changed: (target: string) => void }) {
  const read = parse(target);
  const requirements = Array.isArray(read) ? read : [];
  const picked = requirements.find((one) => one.key === 'name' && one.test === 'in');
  const [opened, { toggle: turn }] = useDisclosure(picked !== undefined);
  const [search, setSearch] = useState('');
  const found = nodes.filter((node) => node.name.includes(search));
  return (
    <div>
      <Button
        variant="subtle"
        px="xs"
        onClick={turn}
        aria-expanded={opened}
        leftSection={opened ? <IconChevronUp size={16} aria-hidden /> : <IconChevronDown size={16} aria-hidden />}
      >
        Pick single nodes{picked ? ` (${picked.values.length})` : ''}
      </Button>
      <Collapse expanded={opened}>
        <Stack gap="xs" pt="xs">
          {nodes.length > MANY && (
            <TextInput
              aria-label="Search nodes by name"
              placeholder="Name"
              value={search}
              onChange={(event) => setSearch(event.currentTarget.value)}
            />
          )}
          <Group gap={6} role="group" aria-label="Nodes by name">
            {found.slice(0, 60).map((node) => (
              <Chip
                key={node.name}
                size="sm"
                variant="outline"
                checked={asked(requirements, 'name', node.name)}
                onChange={() => changed(toggle(target, 'name', node.name))}
                classNames={{ label: classes.chip ?? '' }}
              >
                {node.name}
                {node.connected ? '' : ' (away)'}
              </Chip>
            ))}
          </Group>
          {found.length > 60 && (
            <Text size="xs" c="dimmed">
              and {found.length - 60} more: search by name
            </Text>
          )}
        </Stack>
      </Collapse>
    </div>
  );
}
