import { type MantineColorScheme, SegmentedControl, Stack, Switch, Text, useMantineColorScheme } from '@mantine/core';
import { useId, useState } from 'react';
import { wantNotifications, wantsNotifications } from '~/app/notifier';
import classes from './me.module.css';
import { Section } from './section';

/** How the console looks and calls on this device. */
export function Appearance() {
  return (
    <div className={classes.columns}>
      <Theme />
      <Notifications />
    </div>
  );
}

const SCHEMES: { value: MantineColorScheme; label: string }[] = [
  { value: 'auto', label: 'As the system' },
  { value: 'light', label: 'Light' },
  { value: 'dark', label: 'Dark' },
];

function Theme() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <Section title="Theme" about="Kept in this browser.">
      <SegmentedControl
        aria-label="Theme"
        data={SCHEMES}
        value={colorScheme}
        onChange={(value) => setColorScheme(value as MantineColorScheme)}
        size="md"
        fullWidth
      />
    </Section>
  );
}

/** What the browser lets us do about notifications. */
const permission = (): NotificationPermission | 'unsupported' => ('Notification' in window ? Notification.permission : 'unsupported');

function Notifications() {
  const [on, setOn] = useState(wantsNotifications);
  const [allowed, setAllowed] = useState(permission);
  const about = useId();
  const change = async (wanted: boolean) => {
    setOn(await wantNotifications(wanted));
    setAllowed(permission());
  };
  return (
    <Section title="Desktop notifications" about="Kept in this browser; they come while the console is open in a tab.">
      <Stack gap={6}>
        <Switch
          label="Tell me when a run awaits my decision"
          size="md"
          checked={on}
          disabled={allowed === 'unsupported' || allowed === 'denied'}
          onChange={(event) => void change(event.currentTarget.checked)}
          aria-describedby={about}
        />
        <Text size="sm" c="dimmed" id={about}>
          {allowed === 'unsupported' && 'This browser knows no notifications.'}
          {allowed === 'denied' &&
            'The browser refuses them for this site. Allow them in its settings for this site, then load the page again.'}
          {allowed === 'default' && 'The browser will ask you to allow them.'}
        </Text>
      </Stack>
    </Section>
  );
}
