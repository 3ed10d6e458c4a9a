import { Badge, Button, Group, Text, Tooltip } from '@mantine/core';
import { useState } from 'react';
import { api, client, type Schemas } from '~/api/client';
import { invalidate } from '~/api/query';
import { Confirm } from '~/components/confirm';
import { Time } from '~/components/time';
import { told } from '~/components/told';
import { clientName } from './clients';
import classes from './me.module.css';
import { Listed, Section } from './section';

type Session = Schemas['Session'];

async function end(sessions: Session[]): Promise<void> {
  try {
    for (const { id } of sessions) await client.DELETE('/api/v1/auth/sessions/{id}', { params: { path: { id } } });
  } finally {
    invalidate('/api/v1/auth/sessions');
  }
}

/** Where one is signed in. */
export function Sessions() {
  const sessions = api.useQuery('get', '/api/v1/auth/sessions');
  const [leaving, setLeaving] = useState<Session>();
  const [everywhere, setEverywhere] = useState(false);
  const others = sessions.data?.items.filter((session) => !session.current) ?? [];
  return (
    <Section
      title="Sessions"
      about="Where you are signed in. End what you do not know, and change your password then."
      action={
        <Button variant="default" disabled={others.length === 0} onClick={() => setEverywhere(true)}>
          Sign out everywhere else
        </Button>
      }
    >
      <Listed query={sessions} none="There are none.">
        {(items) => (
          <ul className={classes.rows}>
            {[...items].sort(latestFirst).map((session) => (
              <li key={session.id} className={classes.row}>
                <div className={classes.grow}>
                  <Group gap="xs">
                    <Tooltip label={session.client || 'It did not say what it is'} multiline maw={320}>
                      <Text fw={600} size="sm">
                        {clientName(session.client)}
                      </Text>
                    </Tooltip>
                    {session.current && (
                      <Badge color="teal" variant="light" radius="sm" tt="none" styles={{ label: { color: 'var(--mantine-color-text)' } }}>
                        this one
                      </Badge>
                    )}
                  </Group>
                  <Text size="xs" c="dimmed" component="div">
                    began <Time at={session.createdAt} ago /> (<Time at={session.createdAt} />
                    ), ends <Time at={session.expiresAt} ago />
                  </Text>
                </div>
                {!session.current && (
                  <Button
                    variant="default"
                    onClick={() => setLeaving(session)}
                    aria-label={`End the session of ${clientName(session.client)}`}
                  >
                    End
                  </Button>
                )}
              </li>
            ))}
          </ul>
        )}
      </Listed>
      <Confirm
        opened={leaving !== undefined}
        close={() => setLeaving(undefined)}
        title="End a session"
        what="End this session"
        act={() => end(leaving ? [leaving] : [])}
      >
        <Text size="sm">
          {leaving && clientName(leaving.client)}, begun <Time at={leaving?.createdAt} />, is signed out at once.
        </Text>
      </Confirm>
      <Confirm
        opened={everywhere}
        close={() => setEverywhere(false)}
        title="Sign out everywhere else"
        what={others.length === 1 ? 'End the other session' : `End ${others.length} sessions`}
        act={async () => {
          await end(others);
          told('You are signed out everywhere else.');
        }}
      >
        <Text size="sm">All your sessions but this one end at once. API keys stay good; revoke them under Keys.</Text>
      </Confirm>
    </Section>
  );
}

/** This session first, then the latest. */
const latestFirst = (a: Session, b: Session): number =>
  Number(b.current) - Number(a.current) || new Date(b.createdAt).getTime() - new Date(a.createdAt).getTime();
