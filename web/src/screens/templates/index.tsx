import { Alert, Anchor, Badge, Button, Group, Select, Stack, Table, Text } from '@mantine/core';
import { IconFileCode2, IconPlus, IconSearch } from '@tabler/icons-react';
import { Link, useNavigate } from '@tanstack/react-router';
import { api } from '~/api/client';
import { Empty } from '~/components/empty';
import { SearchFilter, useFilters } from '~/components/filters';
import { Loading } from '~/components/loading';
import { Page } from '~/components/page';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { DocumentEditor } from '~/editor';
import { asTemplate, finds, type Template } from '~/screens/catalogue/words';
import { AnchorLink, ButtonLink } from '~/components/links';
import { useCan } from '~/session/session';
import { visibleLine } from '~/lib/text';
import { EnabledSwitch } from './enabled';
import { starter } from './starter';
import classes from './templates.module.css';

/** The templates there are, and the way to a new one. */
export default function Screen() {
  const [search] = useFilters<'new'>();
  return search.new ? <New namespace={search.new} /> : <List />;
}

function List() {
  const { data, error, isPending, refetch } = api.useQuery('get', '/api/v1/objects/{kind}', { params: { path: { kind: 'templates' } } });
  const may = useWritable().length > 0;
  const namespaces = api.useQuery('get', '/api/v1/objects/{kind}', { params: { path: { kind: 'namespaces' } } });
  const placeless = useCan('template.write') && namespaces.data?.items.length === 0;
  return (
    <Page
      title="Templates"
      about="What may be requested, as it is written down. Each change is a new revision; runs that are pending keep theirs."
      actions={
        may && (
          <ButtonLink to="/templates" search={{ new: '1' }} leftSection={<IconPlus size={16} aria-hidden />}>
            New template
          </ButtonLink>
        )
      }
    >
      {error && <ProblemView error={error} retry={() => void refetch()} />}
      {isPending && <Loading />}
      {data && data.items.length > 0 && <Found templates={data.items.map(asTemplate)} />}
      {data?.items.length === 0 && (
        <Empty icon={IconFileCode2} title="No templates yet">
          {placeless ? (
            <Stack align="center" gap="sm">
              <span>Templates live in namespaces, one for each team or service. There is none yet: make the first, then write in it.</span>
              <ButtonLink to="/access" search={{ tab: 'namespaces' }}>
                To the namespaces
              </ButtonLink>
            </Stack>
          ) : may ? (
            'Begin with one that is explained line by line: press New template.'
          ) : (
            'Nobody has written one that you may see. Administrators write templates.'
          )}
        </Empty>
      )}
    </Page>
  );
}

/** The namespaces the caller may write templates in, by the answers for all of them. */
function useWritable(): string[] {
  const everywhere = useCan('template.write');
  const { data } = api.useQuery('get', '/api/v1/objects/{kind}', { params: { path: { kind: 'namespaces' } } });
  const { data: me } = api.useQuery('get', '/api/v1/auth/whoami');
  const names = data?.items.map((one) => one.metadata.name) ?? [];
  if (everywhere) return names;
  const held = new Set(me?.roles.filter((one) => one.role === 'administrator').map((one) => one.namespace));
  return names.filter((name) => held.has(name));
}

function Found({ templates }: { templates: Template[] }) {
  const [search, set] = useFilters<'q' | 'namespace' | 'state'>();
  const places = [...new Set(templates.map((one) => one.metadata.namespace ?? ''))].sort();
  const shown = templates.filter(
    (one) =>
      (!search.namespace || one.metadata.namespace === search.namespace) &&
      finds(one, search.q ?? '') &&
      (!search.state || (one.spec.enabled !== false) === (search.state === 'enabled')),
  );
  return (
    <Stack gap="sm">
      <Group gap="sm">
        <div className={classes.search}>
          <SearchFilter
            aria-label="Search templates"
            placeholder="Search by name, title, label…"
            value={search.q}
            change={(q) => set({ q })}
          />
        </div>
        {places.length > 1 && (
          <Select
            aria-label="Namespace"
            placeholder="All namespaces"
            data={places}
            value={search.namespace ?? null}
            onChange={(value) => set({ namespace: value ?? '' })}
            clearable
            clearButtonProps={{ 'aria-label': 'All namespaces' }}
          />
        )}
        <Select
          aria-label="State"
          placeholder="Enabled or not"
          data={['enabled', 'disabled']}
          value={search.state ?? null}
          onChange={(value) => set({ state: value ?? '' })}
          clearable
          clearButtonProps={{ 'aria-label': 'Enabled or not' }}
          w={160}
        />
      </Group>
      {shown.length === 0 ? (
        <Empty icon={IconSearch} title="Nothing fits">
          No template has all of this.{' '}
          <Button variant="default" onClick={() => set({ q: '', namespace: '', state: '' })}>
            Show all {templates.length}
          </Button>
        </Empty>
      ) : (
        <Table className={classes.table ?? ''} verticalSpacing="xs" highlightOnHover>
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">Template</Table.Th>
              <Table.Th scope="col">Namespace</Table.Th>
              <Table.Th scope="col">Revision</Table.Th>
              <Table.Th scope="col">Author</Table.Th>
              <Table.Th scope="col">Updated</Table.Th>
              <Table.Th scope="col">Enabled</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {shown.map((one) => (
              <Row key={`${one.metadata.namespace}/${one.metadata.name}`} template={one} />
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Stack>
  );
}

function Row({ template }: { template: Template }) {
  const { namespace, name, revision, author, updatedAt, labels } = template.metadata;
  return (
    <Table.Tr>
      <Table.Td data-first>
        <Anchor component={Link} to={`/templates/${namespace}/${name}`} fw={600} c="var(--mantine-color-text)">
          {visibleLine(template.spec.title)}
        </Anchor>
        <Group gap={4}>
          <Text size="xs" c="dimmed">
            {name}
          </Text>
          {Object.entries(labels ?? {}).map(([key, value]) => (
            <Badge key={key} size="sm" variant="default" radius="sm" tt="none" fw={500}>
              {visibleLine(`${key}=${value}`)}
            </Badge>
          ))}
        </Group>
      </Table.Td>
      <Table.Td data-label="Namespace">{namespace}</Table.Td>
      <Table.Td data-label="Revision">{revision}</Table.Td>
      <Table.Td data-label="Author">{author}</Table.Td>
      <Table.Td data-label="Updated">
        <Time at={updatedAt} ago />
      </Table.Td>
      <Table.Td data-label="Enabled">
        <EnabledSwitch template={template} />
      </Table.Td>
    </Table.Tr>
  );
}

function New({ namespace }: { namespace: string }) {
  const navigate = useNavigate();
  const places = useWritable();
  const place = places.includes(namespace) ? namespace : places[0];
  const { isPending } = api.useQuery('get', '/api/v1/objects/{kind}', { params: { path: { kind: 'namespaces' } } });
  const may = useCan('template.write', place === undefined ? {} : { namespace: place });
  return (
    <Page
      title="New template"
      about="An example to change, explained by its comments. It is checked while you write; nothing is kept before you save."
    >
      {isPending || may === undefined ? (
        <Loading />
      ) : place === undefined ? (
        <Alert color="gray" title="There is no namespace to write it in" styles={{ title: { color: 'var(--mantine-color-text)' } }}>
          A template lives in a namespace. An administrator creates namespaces under{' '}
          <AnchorLink to="/access" search={{ tab: 'namespaces' }} inherit>
            Access
          </AnchorLink>
          .
        </Alert>
      ) : (
        <DocumentEditor
          kind="Template"
          starter={starter(place)}
          saved={(applied) =>
            void navigate({
              to: '/templates/$namespace/$name',
              params: { namespace: applied.namespace ?? place, name: applied.name },
              search: {},
            })
          }
        />
      )}
    </Page>
  );
}
