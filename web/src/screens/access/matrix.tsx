import { Box, Button, Card, Center, Group, Select, Stack, Text, Title, UnstyledButton, VisuallyHidden } from '@mantine/core';
import { IconCheck, IconMinus, IconSearch } from '@tabler/icons-react';
import { useState } from 'react';
import { api } from '~/api/client';
import { Empty } from '~/components/empty';
import { FilterBar, SearchFilter, useFilters } from '~/components/filters';
import { Loading } from '~/components/loading';
import { ProblemView } from '~/components/problem';
import { visibleLine } from '~/lib/text';
import classes from './access.module.css';
import {
  type Action,
  actionsAt,
  allowedAt,
  endingRoles,
  gathered,
  type Matrix as Answer,
  peopleOf,
  type Person,
  placeName,
  placesOf,
} from './may-words';
import { useThings, useWide } from './objects';
import { AccountMarks, Until } from './parts';
import { Why } from './why';

/** So many people are shown before one asks for more. */
const STEP = 50;

/** Who may do what where, by the server's own judgement; why, by a click. */
export function Matrix() {
  const [filters, change] = useFilters<'person' | 'namespace' | 'action'>();
  const { things: namespaces } = useThings('namespaces');
  const query = filters.namespace ? { namespace: filters.namespace } : {};
  const { data, error, refetch } = api.useQuery('get', '/api/v1/access/matrix', { params: { query } });
  const [shown, setShown] = useState(STEP);
  const [asked, setAsked] = useState<{ person: Person; place: string }>();
  const wide = useWide();
  const people = data ? peopleOf(data, filters.person) : [];
  const action = data?.actions.find((one) => one.name === filters.action);
  const places = data ? placesOf(data, filters) : [];
  const view = data && {
    matrix: data,
    people: people.slice(0, shown),
    places,
    action,
    ask: (person: Person, place: string) => setAsked({ person, place }),
  };
  return (
    <Stack>
      <FilterBar
        active={[filters.person, filters.namespace, filters.action].filter(Boolean).length}
        clear={() => change({ person: '', namespace: '', action: '' })}
        search={
          <SearchFilter
            label="Search people"
            placeholder="A person or a group"
            value={filters.person}
            change={(person) => change({ person })}
          />
        }
      >
        <Select
          label="Namespace"
          clearable
          searchable
          placeholder="All"
          data={namespaces.map((one) => one.name)}
          value={filters.namespace ?? null}
          onChange={(namespace) => change({ namespace: namespace ?? '' })}
          clearButtonProps={{ 'aria-label': 'Clear namespace' }}
        />
        <Select
          label="May they …"
          clearable
          searchable
          placeholder="Anything"
          data={(data?.actions ?? []).map((one) => ({ value: one.name, label: one.words }))}
          value={filters.action ?? null}
          onChange={(name) => change({ action: name ?? '' })}
          clearButtonProps={{ 'aria-label': 'Clear action' }}
        />
      </FilterBar>
      {error && <ProblemView error={error} retry={() => void refetch()} />}
      {!view && !error && <Loading />}
      {view && (people.length === 0 || places.length === 0) && (
        <Empty icon={IconSearch} title="Nothing fits">
          Take a filter away to see more.
        </Empty>
      )}
      {view && people.length > 0 && places.length > 0 && (wide ? <Grid {...view} /> : <Cards {...view} />)}
      {people.length > shown && (
        <Center>
          <Button variant="default" onClick={() => setShown(shown + STEP)}>
            Show more ({shown} of {people.length} people)
          </Button>
        </Center>
      )}
      {asked && data && (
        <Why {...asked} actions={action ? [action] : actionsAt(data.actions, asked.place)} close={() => setAsked(undefined)} />
      )}
    </Stack>
  );
}

interface View {
  matrix: Answer;
  people: Person[];
  places: string[];
  action: Action | undefined;
  ask: (person: Person, place: string) => void;
}

function Grid({ matrix, people, places, action, ask }: View) {
  return (
    // It scrolls, so the keyboard must reach it.
    <Box component="section" className={classes.scroll} tabIndex={0} aria-label="Who may what where">
      <table className={classes.matrix}>
        <thead>
          <tr>
            <th scope="col">Person</th>
            {places.map((place) => (
              <th key={place} scope="col">
                {placeName(place)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {people.map((person) => (
            <tr key={person.user}>
              <th scope="row">
                <Name person={person} />
              </th>
              {places.map((place) => (
                <td key={place}>
                  <Cell person={person} place={place} matrix={matrix} action={action} ask={ask} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Box>
  );
}

function Cards({ matrix, people, places, action, ask }: View) {
  return (
    <Stack gap="xs">
      {people.map((person) => (
        <Card key={person.user} padding="sm" component="article" aria-label={person.user}>
          <Title order={2} size="h5">
            <Name person={person} />
          </Title>
          <Stack gap={4} mt={6} mx={-6}>
            {places.map((place) => (
              <Cell key={place} titled person={person} place={place} matrix={matrix} action={action} ask={ask} />
            ))}
          </Stack>
        </Card>
      ))}
    </Stack>
  );
}

function Name({ person }: { person: Person }) {
  return (
    <Group gap={6}>
      {person.user}
      {person.displayName && (
        <Text size="sm" c="dimmed" span>
          {visibleLine(person.displayName)}
        </Text>
      )}
      <AccountMarks user={person} />
    </Group>
  );
}

/** What somebody may at a place; pressing it tells why. */
function Cell({
  person,
  place,
  matrix,
  action,
  ask,
  titled = false,
}: Omit<View, 'people' | 'places'> & { person: Person; place: string; titled?: boolean }) {
  const may = allowedAt(person, matrix.actions, place);
  const ends = endingRoles(person, place);
  return (
    <UnstyledButton className={classes.cell} onClick={() => ask(person, place)}>
      <VisuallyHidden>
        Why {person.user} may this in {placeName(place)}:
      </VisuallyHidden>
      {titled && (
        <Text size="sm" fw={600} span>
          {placeName(place)}:{' '}
        </Text>
      )}
      {action ? <Yes yes={may.some((one) => one.name === action.name)} /> : <Summary may={may} />}
      {ends.map((role) => (
        <Group key={role.binding} gap={6} mt={4}>
          <span>{role.role}</span>
          <Until expires={role.expires} />
        </Group>
      ))}
    </UnstyledButton>
  );
}

function Yes({ yes }: { yes: boolean }) {
  const Icon = yes ? IconCheck : IconMinus;
  return (
    <Group gap={6} wrap="nowrap">
      <Icon size={16} aria-hidden color={yes ? 'var(--mantine-color-teal-6)' : 'var(--mantine-color-dimmed)'} />
      {yes ? 'yes' : 'no'}
    </Group>
  );
}

function Summary({ may }: { may: Action[] }) {
  if (may.length === 0) {
    return (
      <Text size="sm" c="dimmed" span>
        nothing
      </Text>
    );
  }
  return gathered(may).map(({ noun, verbs }) => (
    <div key={noun}>
      <span className={classes.noun}>{noun}:</span> {verbs.join(', ')}
    </div>
  ));
}
