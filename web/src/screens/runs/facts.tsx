import { Badge, Button, Group, Loader, Text } from '@mantine/core';
import { IconLock } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { nodesOptions } from './data';
import classes from './facts.module.css';
import { To } from './link';
import { shown, visible, visibleLine } from '~/lib/text';
import { type Manifest, phaseOf, type Run } from './logic/types';
import { count, strategy } from './logic/words';

/** Names and values side by side. */
export const Facts = ({ children }: { children: ReactNode }) => <dl className={classes.facts}>{children}</dl>;

/** One of them; nothing when there is no value. */
export function Fact({ name, children }: { name: string; children: ReactNode }) {
  if (children === undefined || children === null || children === '') return null;
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

/** Who wants what, where, why and until when: from what is signed, not from what is said about it. */
export function RunFacts({ run, eager = false }: { run: Run; eager?: boolean }) {
  const { manifest } = run;
  return (
    <Facts>
      <Fact name="Who">{manifest.requester}</Fact>
      <Fact name="Why">
        {manifest.reason === '' ? (
          <Text c="dimmed" span inherit>
            no reason given
          </Text>
        ) : (
          <span style={{ whiteSpace: 'pre-line' }}>{visible(manifest.reason)}</span>
        )}
      </Fact>
      <Fact name="Where">
        <NodeNames run={run.id} nodes={manifest.nodes.count} eager={eager} />
      </Fact>
      <Fact name="Inputs">
        <Inputs manifest={manifest} />
      </Fact>
      <Fact name="How">
        {strategy(manifest.strategy)}; at most {manifest.timeout} a node
      </Fact>
      <Fact name="Runs as">{manifest.runAs ?? 'the agent’s own account'}</Fact>
      <Fact name="Template">
        <To to="/templates/$namespace/$name" params={{ namespace: manifest.namespace, name: manifest.template.name }} search={{}}>
          {manifest.namespace}/{manifest.template.name}
        </To>
        , revision {manifest.template.revision} by {manifest.template.author}
      </Fact>
      {manifest.notBefore && (
        <Fact name="Not before">
          <Time at={manifest.notBefore} /> (<Time at={manifest.notBefore} ago />)
        </Fact>
      )}
      {phaseOf(run) === 'pending' && (
        <Fact name="Decide by">
          <Time at={manifest.approveBy} /> (<Time at={manifest.approveBy} ago />)
        </Fact>
      )}
    </Facts>
  );
}

/** The inputs, those that are secret by name only. */
export function Inputs({ manifest }: { manifest: Pick<Manifest, 'inputs' | 'secrets'> }) {
  const inputs = Object.entries(manifest.inputs as Record<string, unknown>);
  const secrets = Object.keys(manifest.secrets ?? {});
  if (inputs.length + secrets.length === 0) return <>none</>;
  return (
    <ul className={classes.plain}>
      {inputs.map(([name, value]) => (
        <li key={name}>
          {visibleLine(name)}: <span className={classes.mono}>{visibleLine(shown(value))}</span>
        </li>
      ))}
      {secrets.map((name) => (
        <li key={name}>
          <Group gap={4} wrap="nowrap" component="span">
            {visibleLine(name)}: <IconLock size={14} aria-hidden /> secret
          </Group>
        </li>
      ))}
    </ul>
  );
}

/** So many are shown without being asked. */
const FEW = 8;
/** So many names are written out at most; the nodes' own tab shows every one. */
const MOST = 300;

/** How many nodes, and their names. */
export function NodeNames({ run, nodes, eager }: { run: string; nodes: number; eager: boolean }) {
  const [open, setOpen] = useState(false);
  const { data, error, isLoading } = useQuery({ ...nodesOptions(run), enabled: open || (eager && nodes <= 200) });
  const names = data ?? [];
  const shown = names.slice(0, open ? MOST : FEW);
  const more = (data === undefined ? nodes : names.length) - shown.length;
  return (
    <>
      <Group gap={6} component="span" style={{ display: 'inline-flex' }}>
        <span>{count(nodes, 'node')}</span>
        {isLoading && <Loader size={14} role="status" aria-label="Loading the nodes" />}
      </Group>
      {error !== null && <ProblemView error={error} />}
      {shown.length > 0 && (
        <div
          className={classes.names}
          tabIndex={open ? 0 : undefined}
          role={open ? 'group' : undefined}
          aria-label={open ? 'Names of the nodes' : undefined}
        >
          {shown.map((node) => (
            <Badge key={node.id} variant="default" radius="sm" tt="none" fw={500}>
              {node.name}
            </Badge>
          ))}
        </div>
      )}
      {more > 0 && !open && (
        <Button variant="subtle" size="compact-sm" mih={36} px={6} onClick={() => setOpen(true)} aria-expanded={false}>
          {data === undefined ? 'Show the names' : `Show ${more.toLocaleString('en')} more`}
        </Button>
      )}
      {open && more > 0 && data !== undefined && <Text size="xs">and {more.toLocaleString('en')} more; the run’s nodes list them all</Text>}
    </>
  );
}
