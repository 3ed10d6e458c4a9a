import { Button, Card, Group, Select, Stack, Table, Text, UnstyledButton } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconSearch, IconUserPlus, IconUsers } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { api, type Schemas } from '~/api/client';
import { Empty } from '~/components/empty';
import { FilterBar, SearchFilter, useFilters } from '~/components/filters';
import { Loading } from '~/components/loading';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { useMe } from '~/session/session';
import { visibleLine } from '~/lib/text';
import { NewUser } from './new-user';
import { useMay, WhyNot } from './may';
import { useThings, useWide } from './objects';
import { AccountMarks } from './parts';
import { Person } from './person';
import { heldBy, where } from './words';
import classes from './access.module.css';

type User = Schemas['User'];
type Row = { user: User; roles: string[] };

/** Accounts: a list, each with what can be done about it. */
export function People() {
  const [filters, change] = useFilters<'q' | 'kind' | 'state' | 'person'>();
  const read = useMay('user.read');
  const write = useMay('user.write');
  const [adding, { open, close }] = useDisclosure(false);
  const person = filters.person && <Person name={filters.person} close={() => change({ person: '' })} />;
  if (read.allowed === undefined) return <Loading />;
  if (!read.allowed) return <OnlyMe why={read.why}>{person}</OnlyMe>;
  return (
    <Stack>
      <FilterBar
        active={[filters.q, filters.kind, filters.state].filter(Boolean).length}
        clear={() => change({ q: '', kind: '', state: '' })}
        search={<SearchFilter label="Search people" placeholder="Name" value={filters.q} change={(q) => change({ q })} />}
      >
        <Select
          label="Kind"
          clearable
          placeholder="All"
          data={[
            { value: 'person', label: 'people' },
            { value: 'service', label: 'service accounts' },
          ]}
          value={filters.kind ?? null}
          onChange={(kind) => change({ kind: kind ?? '' })}
          clearButtonProps={{ 'aria-label': 'Clear kind' }}
        />
        <Select
          label="State"
          clearable
          placeholder="All"
          data={['enabled', 'disabled']}
          value={filters.state ?? null}
          onChange={(state) => change({ state: state ?? '' })}
          clearButtonProps={{ 'aria-label': 'Clear state' }}
        />
      </FilterBar>
      {write.allowed && (
        <Group>
          <Button leftSection={<IconUserPlus size={16} aria-hidden />} onClick={open}>
            Add an account
          </Button>
        </Group>
      )}
      <WhyNot may={write} what="adding and changing accounts" />
      <List pick={(name) => change({ person: name })} />
      {adding && <NewUser close={close} added={(name) => change({ person: name })} />}
      {person}
    </Stack>
  );
}

/** For those who may not see accounts: their own is still theirs to see. */
function OnlyMe({ why, children }: { why: string; children: ReactNode }) {
  const me = useMe();
  const [, change] = useFilters<'person'>();
  return (
    <>
      <Empty icon={IconUsers} title="Accounts are not yours to see">
        <Stack align="center" gap="sm">
          <span>{why} Who may do what stands under “Who may what”.</span>
          <Button variant="default" onClick={() => change({ person: me.user })}>
            Show my own account
          </Button>
        </Stack>
      </Empty>
      {children}
    </>
  );
}

function List({ pick }: { pick: (name: string) => void }) {
  const [filters] = useFilters<'q' | 'kind' | 'state'>();
  const { data, error, refetch } = api.useQuery('get', '/api/v1/users');
  const { things: bindings } = useThings('rolebindings');
  const { things: groups } = useThings('groups');
  const wide = useWide();
  if (error) return <ProblemView error={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  const q = (filters.q ?? '').toLowerCase();
  const rows = data.items
    .filter((user) => user.name.includes(q) || (user.displayName ?? '').toLowerCase().includes(q))
    .filter((user) => !filters.kind || user.serviceAccount === (filters.kind === 'service'))
    .filter((user) => !filters.state || user.enabled === (filters.state === 'enabled'))
    .map((user) => ({
      user,
      roles: heldBy(user.name, bindings, groups).map(({ binding }) => `${binding.spec.role} ${where(binding.namespace)}`),
    }));
  if (rows.length === 0) {
    return (
      <Empty icon={IconSearch} title="Nobody fits">
        Take a filter away to see more.
      </Empty>
    );
  }
  return wide ? <Rows rows={rows} pick={pick} /> : <Cards rows={rows} pick={pick} />;
}

const unique = (words: string[]): string => [...new Set(words)].join(', ');
const factor = (user: User): string =>
  user.serviceAccount ? 'not for machines' : user.totpEnrolled ? 'authenticator app' : 'no authenticator app';

function Rows({ rows, pick }: { rows: Row[]; pick: (name: string) => void }) {
  return (
    <Table highlightOnHover verticalSpacing="xs">
      <Table.Thead>
        <Table.Tr>
          <Table.Th scope="col">Name</Table.Th>
          <Table.Th scope="col">State</Table.Th>
          <Table.Th scope="col">Second factor</Table.Th>
          <Table.Th scope="col">Roles</Table.Th>
          <Table.Th scope="col">Since</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {rows.map(({ user, roles }) => (
          <Table.Tr key={user.name}>
            <Table.Td>
              <UnstyledButton onClick={() => pick(user.name)} className={classes.pick}>
                <Text fw={600} span>
                  {user.name}
                </Text>
                {user.displayName && (
                  <Text size="sm" c="dimmed" span>
                    {visibleLine(user.displayName)}
                  </Text>
                )}
              </UnstyledButton>
            </Table.Td>
            <Table.Td>
              <Group gap={6}>
                {user.enabled && 'enabled'}
                <AccountMarks user={user} />
              </Group>
            </Table.Td>
            <Table.Td>{factor(user)}</Table.Td>
            <Table.Td>{unique(roles) || <None />}</Table.Td>
            <Table.Td>
              <Time at={user.createdAt} />
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

function Cards({ rows, pick }: { rows: Row[]; pick: (name: string) => void }) {
  return (
    <Stack gap="xs">
      {rows.map(({ user, roles }) => (
        <Card key={user.name} component="button" type="button" onClick={() => pick(user.name)} className={classes.card} padding="sm">
          <Group gap={6}>
            <Text fw={600} span>
              {user.name}
            </Text>
            {user.displayName && (
              <Text size="sm" c="dimmed" span>
                {visibleLine(user.displayName)}
              </Text>
            )}
            <AccountMarks user={user} />
          </Group>
          <Text size="sm" span>
            {unique(roles) || <None />}
          </Text>
          {!user.serviceAccount && (
            <Text size="sm" c="dimmed" span>
              {factor(user)}
            </Text>
          )}
        </Card>
      ))}
    </Stack>
  );
}

const None = () => (
  <Text span inherit c="dimmed">
    no role
  </Text>
);
