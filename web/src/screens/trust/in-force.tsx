import { Alert, Card, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { api, type Schemas } from '~/api/client';
import { Copy } from '~/components/command';
import { AnchorLink } from '~/components/links';
import { Loading } from '~/components/loading';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { Findings } from './findings';
import { docOf, lasting, type TrustRoot } from './root';
import classes from './trust.module.css';

/** The root in force, how the nodes judge by it, and what is odd about it. */
export function InForce({ trust, root }: { trust: Schemas['Trust']; root: TrustRoot }) {
  return (
    <Stack>
      <Lasts root={root} />
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Facts trust={trust} root={root} />
        <Nodes nodes={trust.nodes} />
      </SimpleGrid>
      <Found />
    </Stack>
  );
}

/** A part of the screen with its heading. */
export function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Card component="section">
      <Stack gap="sm">
        <Title order={2} size="h4">
          {title}
        </Title>
        {children}
      </Stack>
    </Card>
  );
}

function Lasts({ root }: { root: TrustRoot }) {
  const state = lasting(root.expiresAt);
  if (state === 'well') return null;
  return (
    <Alert
      color={state === 'over' ? 'red' : 'orange'}
      icon={<IconAlertTriangle aria-hidden />}
      styles={{ message: { color: 'var(--mantine-color-text)' } }}
    >
      {state === 'over'
        ? 'The root has expired: nothing runs on nodes that enforce it until a new version follows.'
        : 'The root expires soon; afterwards nothing runs on nodes that enforce it.'}{' '}
      <AnchorLink to="/trust" search={{ tab: 'next' }} inherit td="underline">
        Renew it
      </AnchorLink>
    </Alert>
  );
}

function Facts({ trust, root }: { trust: Schemas['Trust']; root: TrustRoot }) {
  const doc = docOf(root);
  const holders = doc.principals.filter((one) => one.root).map((one) => one.name);
  return (
    <Part title={`Version ${root.version}`}>
      <dl className={classes.facts}>
        <dt>Digest</dt>
        <dd>
          <Group gap={4} wrap="nowrap">
            <span className={classes.mono}>{root.digest}</span>
            <Copy text={root.digest} label="Copy the digest" />
          </Group>
          <Text size="xs" c="dimmed">
            Agents pin this. Compare it with the holders, not with this server.
          </Text>
        </dd>
        <dt>Expires</dt>
        <dd>
          <Time at={root.expiresAt} /> (<Time at={root.expiresAt} ago />)
        </dd>
        <dt>Published</dt>
        <dd>
          <Time at={root.publishedAt} /> by {root.publishedBy}
        </dd>
        <dt>Signed by</dt>
        <dd>{root.signedBy.join(', ')}</dd>
        <dt>Threshold</dt>
        <dd>
          {doc.threshold} of {holders.length} holders must sign a root: {holders.join(', ')}
        </dd>
        <dt>Passkeys</dt>
        <dd>{doc.passkeys ? `count for ${doc.passkeys.rpId}, used at ${doc.passkeys.origins.join(', ')}` : 'none count; SSH keys only'}</dd>
        <dt>Audit log</dt>
        <dd>
          <Group gap={4} wrap="nowrap">
            <span className={classes.mono}>{trust.logKey}</span>
            <Copy text={trust.logKey} label="Copy the audit log's key" />
          </Group>
        </dd>
      </dl>
    </Part>
  );
}

function Nodes({ nodes }: { nodes: Schemas['TrustedNodes'] }) {
  const counts: [number, string, string, string?][] = [
    [nodes.enforcing, 'enforce', 'refuse what does not suffice'],
    [nodes.observing, 'observe', 'judge, and only report', 'lenient'],
    [nodes.off, 'believe the server', 'do not judge by signatures', 'lenient'],
    [nodes.behind, 'are behind', 'have not accepted this version yet'],
    [nodes.alarmed, 'raised an alarm', 'about the audit log', 'alarm'],
  ];
  return (
    <Part title="How nodes judge">
      <ul className={classes.counts}>
        {counts.map(([count, word, about, show]) => (
          <li key={word}>
            <AnchorLink to="/nodes" search={show ? { show } : {}} className={classes.count ?? ''} underline="never">
              <span className={classes.number}>{count}</span>
              <div>
                <Text size="sm" fw={600}>
                  {word}
                </Text>
                <Text size="xs" c="dimmed">
                  {about}
                </Text>
                {count > 0 && (word === 'are behind' || word === 'raised an alarm') && (
                  <Group gap={4}>
                    <IconAlertTriangle size={14} aria-hidden />
                    <Text size="sm">look at them</Text>
                  </Group>
                )}
              </div>
            </AnchorLink>
          </li>
        ))}
      </ul>
    </Part>
  );
}

function Found() {
  const { data, error } = api.useQuery('post', '/api/v1/trust/check', { body: {} });
  return (
    <Part title="Findings">
      {error && <ProblemView error={error} />}
      {!data && !error && <Loading />}
      {data && <Findings findings={data.findings} none="Nothing is odd about it." />}
    </Part>
  );
}
