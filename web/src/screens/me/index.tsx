import { Stack, Tabs } from '@mantine/core';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { Page } from '~/components/page';
import { useMe } from '~/session/session';
import { visibleLine } from '~/lib/text';
import { ApiKeys } from './api-keys';
import { Appearance } from './appearance';
import classes from './me.module.css';
import { Passkeys } from './passkeys';
import { PasswordChange } from './password';
import { SecondFactor } from './second-factor';
import { Sessions } from './sessions';
import { SshKeys } from './ssh-keys';
import { You } from './you';

const TABS = [
  { value: 'you', label: 'You', panel: You },
  { value: 'sign-in', label: 'Sign-in', panel: SignIn },
  { value: 'keys', label: 'Keys', panel: Keys },
  { value: 'sessions', label: 'Sessions', panel: Sessions },
  { value: 'appearance', label: 'Appearance', panel: Appearance },
];

/** Everything about oneself: who one is here, how one signs in and signs, where one is signed in. */
export default function Me() {
  const me = useMe();
  const search = useSearch({ strict: false });
  const navigate = useNavigate();
  const tab = TABS.find((one) => one.value === search['tab'])?.value ?? 'you';
  const name = me.displayName ? `${visibleLine(me.displayName)} (${me.user})` : me.user;
  return (
    <Page title="Me" about={`Signed in as ${name}.`}>
      <Tabs
        value={tab}
        onChange={(value) => void navigate({ to: '/me', search: { tab: value ?? undefined } })}
        keepMounted={false}
        classNames={classes}
      >
        <Tabs.List mb="md" aria-label="About me">
          {TABS.map((one) => (
            <Tabs.Tab key={one.value} value={one.value}>
              {one.label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {TABS.map((one) => (
          <Tabs.Panel key={one.value} value={one.value}>
            <one.panel />
          </Tabs.Panel>
        ))}
      </Tabs>
    </Page>
  );
}

function SignIn() {
  return (
    <div className={classes.columns}>
      <Passkeys />
      <Stack gap="md">
        <SecondFactor />
        <PasswordChange />
      </Stack>
    </div>
  );
}

function Keys() {
  return (
    <div className={classes.columns}>
      <SshKeys />
      <ApiKeys />
    </div>
  );
}
