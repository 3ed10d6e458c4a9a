import { Accordion, Drawer, List, Stack, Text } from '@mantine/core';
import { IconCheck, IconMinus } from '@tabler/icons-react';
import { useState } from 'react';
import { api } from '~/api/client';
import { Loading } from '~/components/loading';
import { ProblemView } from '~/components/problem';
import { either } from '~/lib/text';
import { type Action, allowedAt, INSTALLATION, type Person, placeName } from './may-words';
import { usePhone } from './objects';
import { Until } from './parts';
import { where } from './words';

/** What somebody may and may not do at a place, each with what decided. */
export function Why({ person, place, actions, close }: { person: Person; place: string; actions: Action[]; close: () => void }) {
  const phone = usePhone();
  const may = allowedAt(person, actions, place);
  const mayNot = actions.filter((action) => !may.includes(action));
  const [open, setOpen] = useState<string | null>(actions.length === 1 ? (actions[0]?.name ?? null) : null);
  return (
    <Drawer
      opened
      onClose={close}
      position="right"
      size={phone ? '100%' : 'lg'}
      title={`${person.user} in ${placeName(place)}`}
      closeButtonProps={{ 'aria-label': 'Close', size: 36 }}
    >
      <Stack gap="xs">
        {!person.enabled && <Text size="sm">The account is disabled: while it is, nothing of this counts.</Text>}
        <Text size="sm" c="dimmed">
          Open one to see what decided.
        </Text>
        <Accordion value={open} onChange={setOpen} variant="separated">
          {[...may, ...mayNot].map((action) => {
            const yes = may.includes(action);
            return (
              <Accordion.Item key={action.name} value={action.name}>
                <Accordion.Control
                  icon={
                    yes ? (
                      <IconCheck size={16} aria-hidden color="var(--mantine-color-teal-6)" />
                    ) : (
                      <IconMinus size={16} aria-hidden color="var(--mantine-color-dimmed)" />
                    )
                  }
                >
                  <Text size="sm">
                    {yes ? 'may' : 'may not'} {action.words}
                  </Text>
                  <Text size="xs" c="dimmed" ff="monospace">
                    {action.name}
                  </Text>
                </Accordion.Control>
                <Accordion.Panel>
                  {open === action.name && <Reason user={person.user} place={place} action={action.name} yes={yes} />}
                </Accordion.Panel>
              </Accordion.Item>
            );
          })}
        </Accordion>
      </Stack>
    </Drawer>
  );
}

function Reason({ user, place, action, yes }: { user: string; place: string; action: string; yes: boolean }) {
  const namespace = place === INSTALLATION ? undefined : place;
  const query = { action, ...(namespace ? { namespace } : {}) };
  const who = api.useQuery('get', '/api/v1/access/who-can', { params: { query } }, { enabled: yes });
  const can = api.useQuery('get', '/api/v1/access/can-i', { params: { query } }, { enabled: !yes });
  const error = who.error ?? can.error;
  if (error) return <ProblemView error={error} />;
  if (yes ? !who.data : !can.data) return <Loading />;
  if (!yes) {
    const roles = can.data?.roles ?? [];
    return (
      <Text size="sm">
        Nothing allows it, or a policy forbids it.
        {roles.length > 0 && ` The role ${either(roles)} ${where(namespace)} would allow it.`}
      </Text>
    );
  }
  const entry = who.data?.people.find((one) => one.user === user);
  if (!entry) return <Text size="sm">It may not be so any more; look again.</Text>;
  return (
    <Stack gap={4}>
      <Text size="sm">Allowed by {entry.policies.join(', ')}.</Text>
      {entry.roles.length > 0 && <Text size="sm">Roles held there:</Text>}
      <List size="sm" spacing={4}>
        {entry.roles.map((role) => (
          <List.Item key={`${role.binding}/${role.role}`}>
            <b>{role.role}</b> {where(role.namespace)}, by {role.binding} <Until expires={role.expires} />
          </List.Item>
        ))}
      </List>
    </Stack>
  );
}
