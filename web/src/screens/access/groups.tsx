import { Button, Card, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { IconPlus, IconUsersGroup } from '@tabler/icons-react';
import { type ReactNode, useState } from 'react';
import { Confirm } from '~/components/confirm';
import { Empty } from '~/components/empty';
import { FilterBar, SearchFilter, useFilters } from '~/components/filters';
import { Loading } from '~/components/loading';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { visibleLine } from '~/lib/text';
import classes from './access.module.css';
import { GroupDialog } from './group-dialog';
import { useMay, WhyNot } from './may';
import { deleteThing, useThings } from './objects';
import { Mark, Who } from './parts';
import { type Thing, where } from './words';

/** Groups: who is in which, and changing that. */
export function Groups() {
  const [{ q = '' }, change] = useFilters<'q'>();
  const write = useMay('group.write');
  const { things: groups, error, isPending, refetch } = useThings('groups');
  const { things: bindings } = useThings('rolebindings');
  const [edited, setEdited] = useState<Thing<'groups'> | 'new'>();
  const [doomed, setDoomed] = useState<Thing<'groups'>>();
  if (error) return <ProblemView error={error} retry={() => void refetch()} />;
  if (isPending) return <Loading />;
  const fits = groups.filter(
    (group) => group.name.includes(q.toLowerCase()) || group.spec.members?.some((name) => name.includes(q.toLowerCase())),
  );
  const create = (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setEdited('new')}>
      New group
    </Button>
  );
  return (
    <Stack>
      {groups.length > 0 && (
        <FilterBar
          active={q === '' ? 0 : 1}
          clear={() => change({ q: '' })}
          search={
            <SearchFilter
              label="Search groups"
              placeholder="Name of a group or a member"
              value={q}
              change={(next) => change({ q: next })}
            />
          }
        />
      )}
      {groups.length > 0 && write.allowed && <Group>{create}</Group>}
      <WhyNot may={write} what="changing groups" />
      {groups.length === 0 && (
        <Empty icon={IconUsersGroup} title="No group yet">
          <Stack align="center" gap="sm">
            <span>
              A group names people, such as who is on call: give it a role, or let a template ask for the approval of one of them.
            </span>
            {write.allowed && create}
          </Stack>
        </Empty>
      )}
      {groups.length > 0 && fits.length === 0 && <Text c="dimmed">No group fits.</Text>}
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="sm">
        {fits.map((group) => (
          <GroupCard
            key={group.name}
            group={group}
            roles={bindings.filter((one) => one.spec.subjects.some((subject) => subject.group === group.name))}
          >
            {write.allowed && (
              <Group gap="xs">
                <Button variant="default" onClick={() => setEdited(group)} aria-label={`Edit group ${group.name}`}>
                  Edit
                </Button>
                <Button
                  variant="subtle"
                  className={classes.danger ?? ''}
                  onClick={() => setDoomed(group)}
                  aria-label={`Delete group ${group.name}`}
                >
                  Delete
                </Button>
              </Group>
            )}
          </GroupCard>
        ))}
      </SimpleGrid>
      {edited !== undefined && <GroupDialog group={edited === 'new' ? undefined : edited} close={() => setEdited(undefined)} />}
      {doomed && (
        <Confirm
          opened
          close={() => setDoomed(undefined)}
          title="Delete the group"
          what={`Delete group ${doomed.name}`}
          act={() => deleteThing('groups', doomed)}
        >
          <Text size="sm">
            Its {doomed.spec.members?.length ?? 0} members lose the roles they have through it, at once. Templates that ask for its approval
            cannot be approved any more. Names in the record stay.
          </Text>
        </Confirm>
      )}
    </Stack>
  );
}

function GroupCard({ group, roles, children }: { group: Thing<'groups'>; roles: Thing<'rolebindings'>[]; children: ReactNode }) {
  const members = group.spec.members ?? [];
  return (
    <Card component="article" aria-label={`Group ${group.name}`}>
      <Stack gap="xs" h="100%" justify="space-between">
        <Stack gap="xs">
          <Title order={2} size="h4">
            {group.name}
          </Title>
          {group.spec.description && <Text size="sm">{visibleLine(group.spec.description)}</Text>}
          <Group gap="sm">
            {members.length === 0 && (
              <Text size="sm" c="dimmed">
                Nobody is in it.
              </Text>
            )}
            {members.map((name) => (
              <Text key={name} size="sm" span>
                <Who subject={{ user: name }} />
              </Text>
            ))}
          </Group>
          {roles.length > 0 && (
            <Group gap={6}>
              {roles.map((binding) => (
                <Mark key={`${binding.namespace}/${binding.name}`} color="indigo">
                  {binding.spec.role} {where(binding.namespace)}
                </Mark>
              ))}
            </Group>
          )}
          <Text size="xs" c="dimmed">
            revision {group.revision} by {group.author}, <Time at={group.updatedAt} />
          </Text>
        </Stack>
        {children}
      </Stack>
    </Card>
  );
}
