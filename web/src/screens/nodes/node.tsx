import { Alert, Badge, Button, Card, Code, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconAlertOctagon, IconPencil, IconTrash } from '@tabler/icons-react';
import { useNavigate, useParams } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { api, client } from '~/api/client';
import { invalidate } from '~/api/query';
import { Confirm } from '~/components/confirm';
import { AnchorLink, ButtonLink } from '~/components/links';
import { Loading } from '~/components/loading';
import { Page } from '~/components/page';
import { Phase } from '~/components/phase';
import { ProblemView } from '~/components/problem';
import { Ticked } from '~/components/ticked';
import { Time } from '~/components/time';
import { between } from '~/lib/time';
import { useCan } from '~/session/session';
import { visible, visibleLine } from '~/lib/text';
import { EditLabels } from './edit-labels';
import { Facts } from './facts';
import { Alarmed, Connected, Judging, modeOf, type Node } from './judging';
import { written } from './labels';
import classes from './nodes.module.css';

/** One node: how it is, how it judges, what is known of it, what ran on it. */
export default function NodePage() {
  const { name = '' } = useParams({ strict: false });
  const found = api.useQuery('get', '/api/v1/nodes/{name}', { params: { path: { name } } });
  if (found.data === undefined) {
    return (
      <Page title={name}>
        {found.error !== null ? <ProblemView error={found.error} retry={() => void found.refetch()} /> : <Loading />}
      </Page>
    );
  }
  return <Shown node={found.data} />;
}

function Shown({ node }: { node: Node }) {
  const mayWrite = useCan('node.write');
  const [removing, { open: remove, close }] = useDisclosure(false);
  const alarm = node.trust?.alarm ?? '';
  const actions = mayWrite && (
    <Button variant="default" leftSection={<IconTrash size={16} aria-hidden />} onClick={remove}>
      Remove
    </Button>
  );
  const about = (
    <Group gap={6} mt={4}>
      {alarm !== '' && <Alarmed />}
      <Connected node={node} />
      <Judging node={node} />
    </Group>
  );
  return (
    <Page title={visibleLine(node.name)} about={about} actions={actions}>
      <AnchorLink to="/nodes" size="sm">
        All nodes
      </AnchorLink>
      {alarm !== '' && (
        <Alert
          color="red"
          role="alert"
          icon={<IconAlertOctagon aria-hidden />}
          title="This node has raised an alarm"
          styles={{ title: { color: 'var(--mantine-color-text)' }, message: { color: 'var(--mantine-color-text)' } }}
        >
          <Stack gap="xs" align="flex-start">
            <Text size="sm" style={{ whiteSpace: 'pre-wrap' }}>
              {visible(alarm)}
            </Text>
            <Text size="sm">
              Find out first whether it was meant, such as a backup that was restored. How a person then confirms it on the machine is in
              the manual on agents.
            </Text>
            <AnchorLink to="/events" search={{ type: 'synod.node.alarm', subject: `node/${node.name}` }} size="sm">
              The evidence, as events
            </AnchorLink>
          </Stack>
        </Alert>
      )}
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Stack>
          <Labels node={node} mayWrite={mayWrite === true} />
          <State node={node} />
        </Stack>
        <Section title="Facts">
          <Facts facts={node.facts} />
        </Section>
      </SimpleGrid>
      <LastRuns node={node} />
      <Remove node={node} opened={removing} close={close} />
    </Page>
  );
}

function Section({ title, actions, children }: { title: string; actions?: ReactNode; children: ReactNode }) {
  return (
    <Card component="section" aria-label={title}>
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4">
          {title}
        </Title>
        {actions}
      </Group>
      {children}
    </Card>
  );
}

function Labels({ node, mayWrite }: { node: Node; mayWrite: boolean }) {
  const [editing, { open, close }] = useDisclosure(false);
  const labels = Object.entries(node.labels);
  const edit = mayWrite && !editing && (
    <Button variant="default" leftSection={<IconPencil size={16} aria-hidden />} onClick={open}>
      Change the labels
    </Button>
  );
  return (
    <Section title="Labels" actions={edit}>
      {editing ? (
        <EditLabels node={node} done={close} />
      ) : labels.length === 0 ? (
        <Text size="sm" c="dimmed">
          It has no labels. Runs find their nodes by labels, by name and by facts.
        </Text>
      ) : (
        <Group gap={6}>
          {labels.map((label) => (
            <Badge key={label[0]} variant="default" size="lg" radius="xl" tt="none" fw={500}>
              {visibleLine(written(label))}
            </Badge>
          ))}
        </Group>
      )}
    </Section>
  );
}

const Pair = ({ name, children }: { name: string; children: ReactNode }) => (
  <div className={classes.pair}>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
);

function State({ node }: { node: Node }) {
  const ended = new Date(node.certificateExpiresAt).getTime() < Date.now();
  const judges = node.trust?.mode === 'enforce' || node.trust?.mode === 'observe';
  return (
    <Section title="State">
      <dl className={classes.facts}>
        <Pair name="Last seen">{node.lastSeenAt ? <Time at={node.lastSeenAt} ago /> : 'never'}</Pair>
        <Pair name="Joined">
          <Time at={node.joinedAt} />
        </Pair>
        <Pair name="Agent">{visibleLine(node.version || 'unknown')}</Pair>
        {node.server && (
          <Pair name="Held by server">
            <Code>{node.server}</Code>
          </Pair>
        )}
        <Pair name="Certificate ends">
          <Time at={node.certificateExpiresAt} /> (<Time at={node.certificateExpiresAt} ago />)
          <Text size="xs" c="dimmed">
            {ended ? 'It has ended: remove the node and join the machine again.' : 'The agent renews it by itself.'}
          </Text>
        </Pair>
        <Pair name="Judges">
          {modeOf(node).label}
          <Text size="xs" c="dimmed">
            {modeOf(node).about}
          </Text>
        </Pair>
        {judges && <Pair name="Trust root">{(node.trust?.version ?? 0) > 0 ? `version ${node.trust?.version}` : 'none accepted yet'}</Pair>}
        <Pair name="Audit log witnessed">{(node.trust?.witnessed ?? 0) > 0 ? `up to event ${node.trust?.witnessed}` : 'nothing yet'}</Pair>
        <Pair name="Identity">
          <Code>{node.id}</Code>
        </Pair>
      </dl>
    </Section>
  );
}

function LastRuns({ node }: { node: Node }) {
  const found = api.useQuery('get', '/api/v1/tasks', { params: { query: { node: node.name, limit: 10 } } }, { retry: false });
  const tasks = found.data?.items ?? [];
  const all = (
    <ButtonLink to="/history" search={{ node: node.name }} variant="default">
      All in history
    </ButtonLink>
  );
  return (
    <Section title="Last runs" actions={tasks.length > 0 && all}>
      {found.error !== null && <ProblemView error={found.error} retry={() => void found.refetch()} />}
      {found.isPending && <Loading />}
      {found.isSuccess && tasks.length === 0 && (
        <Text size="sm" c="dimmed">
          Nothing that you may see ran on it yet. Request something in the{' '}
          <AnchorLink to="/catalogue" underline="always">
            catalogue
          </AnchorLink>
          .
        </Text>
      )}
      {tasks.map((task) => (
        <div key={task.id} className={classes.ran}>
          <div className={classes.stands}>
            <Phase phase={task.phase} />
          </div>
          <Group gap="2px 12px" justify="space-between" className={classes.what ?? ''}>
            <AnchorLink to="/runs/$id" params={{ id: task.run }} search={{ node: node.name }} size="sm" py={6}>
              {task.namespace}/{task.template}
            </AnchorLink>
            <Text size="sm" c="dimmed">
              {task.startedAt && <Time at={task.startedAt} />}
              {task.startedAt && task.finishedAt && `, ${between(task.startedAt, task.finishedAt)}`}
            </Text>
            {task.reason && (
              <Text size="sm" w="100%">
                <Ticked text={visibleLine(task.reason)} />
              </Text>
            )}
          </Group>
        </div>
      ))}
    </Section>
  );
}

function Remove({ node, opened, close }: { node: Node; opened: boolean; close: () => void }) {
  const navigate = useNavigate();
  return (
    <Confirm
      opened={opened}
      close={close}
      title={`Remove ${node.name}?`}
      what={`Remove ${node.name}`}
      act={async () => {
        await client.DELETE('/api/v1/nodes/{name}', { params: { path: { name: node.name } } });
        await navigate({ to: '/nodes', search: {} });
        invalidate('/api/v1/nodes');
      }}
    >
      <Text size="sm">
        Its certificate counts no more and its agent is sent away{node.connected ? '; it is connected now' : ''}. Its labels are forgotten;
        what ran on it stays in the record. To have it back, the machine has to join again with a new token.
      </Text>
    </Confirm>
  );
}
