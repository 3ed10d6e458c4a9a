import { Badge, type MantineColor } from '@mantine/core';
import { IconClockExclamation, IconClockX, IconHourglass, IconRobot, IconUser, IconUserOff, IconUsersGroup } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import type { Schemas } from '~/api/client';
import { AnchorLink } from '~/components/links';
import { Time } from '~/components/time';
import classes from './access.module.css';
import { ending, type Subject } from './words';

/** A small mark with an icon; its meaning is in its words. */
export function Mark({ color = 'gray', icon: Icon, children }: { color?: MantineColor; icon?: typeof IconUser; children: ReactNode }) {
  return (
    <Badge
      color={color}
      variant="light"
      radius="sm"
      tt="none"
      h="auto"
      mih={20}
      leftSection={Icon && <Icon size={12} aria-hidden />}
      styles={{ label: { color: 'var(--mantine-color-text)', whiteSpace: 'normal', overflow: 'visible' } }}
    >
      {children}
    </Badge>
  );
}

/** Until when a role holds; marked when that is soon or past. */
export function Until({ expires }: { expires: string | null | undefined }) {
  const state = ending(expires);
  if (state === 'never') return null;
  if (state === 'ended') {
    return (
      <Mark icon={IconClockX}>
        ended <Time at={expires} ago />
      </Mark>
    );
  }
  return (
    <Mark color={state === 'soon' ? 'orange' : 'blue'} icon={state === 'soon' ? IconClockExclamation : IconHourglass}>
      {state === 'soon' ? 'ends soon: ' : 'until '}
      <Time at={expires} />
    </Mark>
  );
}

/** A person or a group, with the way to them. */
export function Who({ subject }: { subject: Subject }) {
  const [Icon, name, search] =
    subject.user !== undefined
      ? [IconUser, subject.user, { tab: 'people', person: subject.user }]
      : [IconUsersGroup, `group ${subject.group}`, { tab: 'groups', q: subject.group }];
  return (
    <AnchorLink to="/access" search={search} inherit c="inherit" td="underline" className={classes.who ?? ''}>
      <Icon size={14} aria-hidden />
      {name}
    </AnchorLink>
  );
}

/** What kind of account it is and whether it counts. */
export function AccountMarks({ user }: { user: Pick<Schemas['User'], 'serviceAccount' | 'enabled'> }) {
  return (
    <>
      {user.serviceAccount && <Mark icon={IconRobot}>service account</Mark>}
      {!user.enabled && (
        <Mark color="red" icon={IconUserOff}>
          disabled
        </Mark>
      )}
    </>
  );
}
