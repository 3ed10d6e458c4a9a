import { Button, Card, Group, SimpleGrid, Stack, Text, Textarea, TextInput, Title } from '@mantine/core';
import { IconBoxMultiple, IconPlus, IconSnowflake } from '@tabler/icons-react';
import { type ReactNode, useState } from 'react';
import { Confirm } from '~/components/confirm';
import { Empty } from '~/components/empty';
import { AnchorLink } from '~/components/links';
import { Loading } from '~/components/loading';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { visibleLine } from '~/lib/text';
import classes from './access.module.css';
import { DocumentDialog } from './document-dialog';
import { useMay, useMayIn, WhyNot } from './may';
import { applyThing, deleteThing, useThings } from './objects';
import { Mark } from './parts';
import { type Thing, toDocument } from './words';

type Namespace = Thing<'namespaces'>;

/** Namespaces: making, freezing and deleting them. */
export function Namespaces() {
  const { things, error, isPending, refetch } = useThings('namespaces');
  const create = useMay('namespace.write');
  const writeIn = useMayIn(
    'namespace.write',
    things.map((one) => one.name),
  );
  const deleteIn = useMayIn(
    'namespace.delete',
    things.map((one) => one.name),
  );
  const [edited, setEdited] = useState<Namespace | 'new'>();
  const [act, setAct] = useState<{ what: 'freeze' | 'delete'; namespace: Namespace }>();
  if (error) return <ProblemView error={error} retry={() => void refetch()} />;
  if (isPending) return <Loading />;
  const add = (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setEdited('new')}>
      New namespace
    </Button>
  );
  return (
    <Stack>
      {things.length > 0 && create.allowed && <Group>{add}</Group>}
      <WhyNot may={create} what="making namespaces" />
      {things.length === 0 && (
        <Empty icon={IconBoxMultiple} title="No namespace yet">
          <Stack align="center" gap="sm">
            <span>
              Templates, runs and roles live in namespaces, one for each team or service. Make the first one, then give roles in it.
            </span>
            {create.allowed && add}
          </Stack>
        </Empty>
      )}
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="sm">
        {things.map((one) => (
          <NamespaceCard key={one.name} namespace={one}>
            {writeIn(one.name) && (
              <>
                <Button variant="default" onClick={() => setEdited(one)} aria-label={`Edit namespace ${one.name}`}>
                  Edit
                </Button>
                <Button
                  variant="default"
                  onClick={() => setAct({ what: 'freeze', namespace: one })}
                  aria-label={`${one.spec.frozen ? 'Unfreeze' : 'Freeze'} namespace ${one.name}`}
                >
                  {one.spec.frozen ? 'Unfreeze' : 'Freeze'}
                </Button>
              </>
            )}
            {deleteIn(one.name) && (
              <Button
                variant="subtle"
                className={classes.danger ?? ''}
                onClick={() => setAct({ what: 'delete', namespace: one })}
                aria-label={`Delete namespace ${one.name}`}
              >
                Delete
              </Button>
            )}
          </NamespaceCard>
        ))}
      </SimpleGrid>
      {edited !== undefined && <NamespaceDialog namespace={edited === 'new' ? undefined : edited} close={() => setEdited(undefined)} />}
      {act?.what === 'freeze' && <Freeze namespace={act.namespace} close={() => setAct(undefined)} />}
      {act?.what === 'delete' && (
        <Confirm
          opened
          close={() => setAct(undefined)}
          title="Delete the namespace"
          what={`Delete namespace ${act.namespace.name}`}
          act={() => deleteThing('namespaces', act.namespace)}
        >
          <Text size="sm">
            It must be empty: delete its templates and role bindings first. Runs in the record stay. The name may be given again.
          </Text>
        </Confirm>
      )}
    </Stack>
  );
}

function NamespaceCard({ namespace, children }: { namespace: Namespace; children: ReactNode }) {
  const { title, description, nodes, frozen } = namespace.spec;
  return (
    <Card component="article" aria-label={`Namespace ${namespace.name}`}>
      <Stack gap="xs" h="100%" justify="space-between">
        <Stack gap="xs">
          <Group gap="xs">
            <Title order={2} size="h4">
              {namespace.name}
            </Title>
            {title && <Text c="dimmed">{visibleLine(title)}</Text>}
            {frozen && (
              <Mark color="cyan" icon={IconSnowflake}>
                frozen
              </Mark>
            )}
          </Group>
          {description && <Text size="sm">{visibleLine(description)}</Text>}
          <Text size="sm">
            May reach {nodes ? 'nodes with ' : 'every node'}
            {nodes && <span className={classes.mono}>{nodes}</span>}.
          </Text>
          <Group gap="md">
            <AnchorLink to="/templates" search={{ namespace: namespace.name }} size="sm" className={classes.pick ?? ''}>
              Templates
            </AnchorLink>
            <AnchorLink to="/access" search={{ tab: 'roles', namespace: namespace.name }} size="sm" className={classes.pick ?? ''}>
              Roles
            </AnchorLink>
            <AnchorLink to="/access" search={{ tab: 'matrix', namespace: namespace.name }} size="sm" className={classes.pick ?? ''}>
              Who may what
            </AnchorLink>
          </Group>
          <Text size="xs" c="dimmed">
            revision {namespace.revision} by {namespace.author}, <Time at={namespace.updatedAt} />
          </Text>
        </Stack>
        <Group gap="xs">{children}</Group>
      </Stack>
    </Card>
  );
}

function Freeze({ namespace, close }: { namespace: Namespace; close: () => void }) {
  const { frozen, ...rest } = namespace.spec;
  const document = toDocument('Namespace', namespace.name, { ...rest, frozen: !frozen }, { labels: namespace.labels });
  return (
    <Confirm
      opened
      close={close}
      title={frozen ? 'Unfreeze the namespace' : 'Freeze the namespace'}
      what={frozen ? `Unfreeze ${namespace.name}` : `Freeze ${namespace.name}`}
      color={frozen ? 'indigo' : 'red'}
      act={() => applyThing(document, namespace.revision)}
    >
      <Text size="sm">
        {frozen
          ? 'Templates and roles in it may be changed again, and runs requested and started.'
          : 'Everything in it stands still: no template or role is changed, nothing is requested or started. What runs on nodes comes to its end; rollouts give out no further batch.'}
      </Text>
    </Confirm>
  );
}

function NamespaceDialog({ namespace, close }: { namespace: Namespace | undefined; close: () => void }) {
  const { newest } = useThings('namespaces');
  const [name, setName] = useState(namespace?.name ?? '');
  const [title, setTitle] = useState(namespace?.spec.title ?? '');
  const [description, setDescription] = useState(namespace?.spec.description ?? '');
  const [nodes, setNodes] = useState(namespace?.spec.nodes ?? '');
  const [revision, setRevision] = useState(namespace?.revision ?? 0);
  const spec = {
    ...(title.trim() && { title: title.trim() }),
    ...(description.trim() && { description: description.trim() }),
    nodes: nodes.trim(),
    ...(namespace?.spec.frozen && { frozen: true }),
  };
  return (
    <DocumentDialog
      title={namespace ? `Namespace ${namespace.name}` : 'New namespace'}
      what={namespace ? `Save namespace ${namespace.name}` : 'Create the namespace'}
      document={name.trim() === '' ? undefined : toDocument('Namespace', name.trim(), spec, { labels: namespace?.labels })}
      missing="Give it a name first."
      revision={revision}
      shown={['/metadata/name', '/spec/title', '/spec/description', '/spec/nodes']}
      close={close}
      rebase={async () => setRevision((await newest()).find((one) => one.name === namespace?.name)?.revision ?? 0)}
      fields={(errorAt) => (
        <>
          {!namespace && (
            <TextInput
              label="Name"
              description="Lower-case letters, digits and “-”; it stands in every template's address."
              required
              autoCapitalize="none"
              autoComplete="off"
              spellCheck={false}
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
              error={errorAt('/metadata/name')}
              data-autofocus
            />
          )}
          <TextInput
            label="Title"
            description="A name for people."
            value={title}
            onChange={(event) => setTitle(event.currentTarget.value)}
            error={errorAt('/spec/title')}
          />
          <Textarea
            label="What it is for"
            autosize
            minRows={1}
            value={description}
            onChange={(event) => setDescription(event.currentTarget.value)}
            error={errorAt('/spec/description')}
          />
          <TextInput
            label="Nodes it may reach"
            description="By their labels, such as role=web,env!=dev. Empty: every node."
            autoCapitalize="none"
            spellCheck={false}
            value={nodes}
            onChange={(event) => setNodes(event.currentTarget.value)}
            error={errorAt('/spec/nodes')}
          />
        </>
      )}
    />
  );
}
