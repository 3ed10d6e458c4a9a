import { Badge, Group, Text } from '@mantine/core';
import { Time } from '~/components/time';
import { ending, ROLES, where } from '~/screens/access/words';
import { useMe } from '~/session/session';
import { visibleLine } from '~/lib/text';
import classes from './me.module.css';
import { Section } from './section';

/** Who one is here: groups and roles, and until when. */
export function You() {
  return (
    <div className={classes.columns}>
      <Account />
      <Roles />
    </div>
  );
}

function Account() {
  const me = useMe();
  const factors = [
    me.totpEnrolled && 'authenticator',
    me.passkeys && `${me.passkeys} ${me.passkeys === 1 ? 'passkey' : 'passkeys'}`,
  ].filter(Boolean);
  return (
    <Section title="Account">
      <dl className={classes.facts}>
        <dt>User</dt>
        <dd>{me.user}</dd>
        {me.displayName && (
          <>
            <dt>Name</dt>
            <dd>{visibleLine(me.displayName)}</dd>
          </>
        )}
        <dt>Groups</dt>
        <dd>
          {me.groups.length === 0 ? (
            'none'
          ) : (
            <Group gap={6}>
              {me.groups.map((group) => (
                <Badge key={group} variant="default" tt="none" size="lg" radius="sm">
                  {group}
                </Badge>
              ))}
            </Group>
          )}
        </dd>
        <dt>Second factor</dt>
        <dd>{factors.length === 0 ? 'none; add one under Sign-in' : factors.join(', ')}</dd>
        {me.steppedUpUntil && (
          <>
            <dt>Confirmed</dt>
            <dd>
              until <Time at={me.steppedUpUntil} />
            </dd>
          </>
        )}
        {me.sessionExpiresAt && (
          <>
            <dt>This session</dt>
            <dd>
              ends <Time at={me.sessionExpiresAt} ago /> (<Time at={me.sessionExpiresAt} />)
            </dd>
          </>
        )}
      </dl>
    </Section>
  );
}

function Roles() {
  const { roles } = useMe();
  if (roles.length === 0) {
    return (
      <Section title="Roles">
        <Text size="sm">You hold no role yet, so there is little to see. An owner gives roles under Access.</Text>
      </Section>
    );
  }
  return (
    <Section title="Roles" about="What you may do, and where. Owners give and take roles under Access.">
      <ul className={classes.rows}>
        {roles.map((held) => (
          <li key={`${held.binding} ${held.role} ${held.namespace ?? ''}`} className={classes.row}>
            <div className={classes.grow}>
              <Text size="sm">
                <b>{held.role}</b> {where(held.namespace)}
              </Text>
              <Text size="sm" c="dimmed">
                {ROLES.find((one) => one.role === held.role)?.may}
              </Text>
              {held.expires && (
                <Text size="sm" fw={ending(held.expires) === 'soon' ? 600 : undefined}>
                  until <Time at={held.expires} />, <Time at={held.expires} ago />
                </Text>
              )}
            </div>
          </li>
        ))}
      </ul>
    </Section>
  );
}
