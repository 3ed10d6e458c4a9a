import { Button, Card, Group, Select, Stack, Table, Text } from '@mantine/core';
import { IconSearch, IconUserPlus } from '@tabler/icons-react';
import { type ReactNode, useState } from 'react';
import { Confirm } from '~/components/confirm';
import { Empty } from '~/components/empty';
import { FilterBar, SearchFilter, useFilters } from '~/components/filters';
import { Loading } from '~/components/loading';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import classes from './access.module.css';
import { useMay, useMayIn, WhyNot } from './may';
import { deleteThing, useThings, useWide } from './objects';
import { Until, Who } from './parts';
import { RoleDialog } from './role-dialog';
import { ending, ROLES, readSubject, subjectKey, type Thing, where } from './words';

type Binding = Thing<'rolebindings'>;

/** Who has which role where, until when; giving and taking roles. */
export function Roles() {
  const [filters, change] = useFilters<'q' | 'namespace' | 'role' | 'ends' | 'give'>();
  const { things, error, isPending, refetch } = useThings('rolebindings');
  const { things: namespaces } = useThings('namespaces');
  const names = namespaces.map((one) => one.name);
  const may = useMay('rolebinding.write');
  const mayIn = useMayIn('rolebinding.write', names);
  const [edited, setEdited] = useState<Binding>();
  const [doomed, setDoomed] = useState<Binding>();
  if (error) return <ProblemView error={error} retry={() => void refetch()} />;
  if (isPending) return <Loading />;
  const places = [...(may.allowed ? [''] : []), ...names.filter(mayIn)];
  const fits = things.filter((one) => fitting(one, filters));
  const acts = (binding: Binding) =>
    mayIn(binding.namespace) && (
      <Group gap={6} wrap="nowrap">
        <Button variant="default" onClick={() => setEdited(binding)} aria-label={`Change ${binding.name}`}>
          Change
        </Button>
        <Button
          variant="subtle"
          className={classes.danger ?? ''}
          onClick={() => setDoomed(binding)}
          aria-label={`Take ${binding.name} away`}
        >
          Take away
        </Button>
      </Group>
    );
  return (
    <Stack>
      <Filters names={names} />
      {places.length > 0 && (
        <Group>
          <Button leftSection={<IconUserPlus size={16} aria-hidden />} onClick={() => change({ give: 'new' })}>
            Give a role
          </Button>
        </Group>
      )}
      {places.length === 0 && <WhyNot may={may} what="giving and taking roles" />}
      {fits.length === 0 && (
        <Empty icon={IconSearch} title={things.length === 0 ? 'No role that you can see' : 'No role fits'}>
          {things.length === 0 ? 'Roles are given to people and groups, in a namespace or everywhere.' : 'Take a filter away to see more.'}
        </Empty>
      )}
      {fits.length > 0 && <List bindings={fits} acts={acts} />}
      {filters.give !== undefined && places.length > 0 && (
        <RoleDialog who={readSubject(filters.give)} places={places} close={() => change({ give: '' })} />
      )}
      {edited && <RoleDialog binding={edited} places={places} close={() => setEdited(undefined)} />}
      {doomed && (
        <Confirm
          opened
          close={() => setDoomed(undefined)}
          title="Take the role away"
          what={`Take ${doomed.spec.role} ${where(doomed.namespace)} away`}
          act={() => deleteThing('rolebindings', doomed)}
        >
          <Text size="sm">
            {doomed.spec.subjects.map((subject) => subject.user ?? `group ${subject.group}`).join(', ')} had it by {doomed.name}. It counts
            from the next request on, also for approvals already given to runs that have not begun. To take it from one of several, change
            it instead.
          </Text>
        </Confirm>
      )}
    </Stack>
  );
}

function Filters({ names }: { names: string[] }) {
  const [filters, change] = useFilters<'q' | 'namespace' | 'role' | 'ends'>();
  return (
    <FilterBar
      active={[filters.q, filters.namespace, filters.role, filters.ends].filter(Boolean).length}
      clear={() => change({ q: '', namespace: '', role: '', ends: '' })}
      search={<SearchFilter label="Search roles" placeholder="Person, group, binding" value={filters.q} change={(q) => change({ q })} />}
    >
      <Select
        label="Where"
        clearable
        searchable
        placeholder="All"
        data={[{ value: '-', label: 'everywhere' }, ...names]}
        value={filters.namespace ?? null}
        onChange={(namespace) => change({ namespace: namespace ?? '' })}
        clearButtonProps={{ 'aria-label': 'Clear where' }}
      />
      <Select
        label="Role"
        clearable
        placeholder="All"
        data={ROLES.map((one) => one.role)}
        value={filters.role ?? null}
        onChange={(role) => change({ role: role ?? '' })}
        clearButtonProps={{ 'aria-label': 'Clear role' }}
      />
      <Select
        label="Ends"
        clearable
        placeholder="All"
        data={[
          { value: 'soon', label: 'within a week' },
          { value: 'ended', label: 'ended already' },
          { value: 'never', label: 'never' },
        ]}
        value={filters.ends ?? null}
        onChange={(ends) => change({ ends: ends ?? '' })}
        clearButtonProps={{ 'aria-label': 'Clear ends' }}
      />
    </FilterBar>
  );
}

function fitting(binding: Binding, by: { q?: string; namespace?: string; role?: string; ends?: string }): boolean {
  const q = (by.q ?? '').toLowerCase();
  const named =
    q === '' || binding.name.includes(q) || binding.spec.subjects.some((subject) => (subject.user ?? subject.group).includes(q));
  const here = !by.namespace || binding.namespace === (by.namespace === '-' ? '' : by.namespace);
  return named && here && (!by.role || binding.spec.role === by.role) && (!by.ends || ending(binding.spec.expires) === by.ends);
}

function Subjects({ binding }: { binding: Binding }) {
  return (
    <Group gap="sm">
      {binding.spec.subjects.map((subject) => (
        <Text key={subjectKey(subject)} size="sm" span>
          <Who subject={subject} />
        </Text>
      ))}
    </Group>
  );
}

function List({ bindings, acts }: { bindings: Binding[]; acts: (binding: Binding) => ReactNode }) {
  const wide = useWide();
  const key = (one: Binding) => `${one.namespace}/${one.name}`;
  if (!wide) {
    return (
      <Stack gap="xs">
        {bindings.map((one) => (
          <Card key={key(one)} padding="sm" component="article" aria-label={one.name}>
            <Stack gap={0}>
              <Group gap={6}>
                <Text>
                  <b>{one.spec.role}</b> {where(one.namespace)}
                </Text>
                <Until expires={one.spec.expires} />
              </Group>
              <Subjects binding={one} />
              <Text size="xs" c="dimmed" mb="xs">
                {one.name}, by {one.author}, <Time at={one.updatedAt} />
              </Text>
              {acts(one)}
            </Stack>
          </Card>
        ))}
      </Stack>
    );
  }
  return (
    <Table verticalSpacing="xs">
      <Table.Thead>
        <Table.Tr>
          {['Role', 'Where', 'Who', 'Until', 'Binding', 'Act'].map((head) => (
            <Table.Th key={head} scope="col">
              {head}
            </Table.Th>
          ))}
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {bindings.map((one) => (
          <Table.Tr key={key(one)}>
            <Table.Td fw={600}>{one.spec.role}</Table.Td>
            <Table.Td>{one.namespace || 'everywhere'}</Table.Td>
            <Table.Td>
              <Subjects binding={one} />
            </Table.Td>
            <Table.Td>{one.spec.expires ? <Until expires={one.spec.expires} /> : 'for ever'}</Table.Td>
            <Table.Td>
              {one.name}
              <Text size="xs" c="dimmed">
                by {one.author}, <Time at={one.updatedAt} />
              </Text>
            </Table.Td>
            <Table.Td>{acts(one)}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
