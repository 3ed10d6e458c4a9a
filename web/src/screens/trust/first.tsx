import { List, Stack, Text } from '@mantine/core';
import { IconLock } from '@tabler/icons-react';
import { api } from '~/api/client';
import { Command } from '~/components/command';
import { Empty } from '~/components/empty';
import { AnchorLink } from '~/components/links';
import { useCan } from '~/session/session';
import { initCommand } from './init';
import { Part } from './in-force';
import { Publish } from './publish';
import classes from './trust.module.css';

/** No root is published: what that means, and how the first one comes to be. */
export function First() {
  const may = useCan('user.read');
  const { data } = api.useQuery('get', '/api/v1/users', {}, { enabled: may === true });
  const people = data?.items.filter((user) => user.enabled && !user.serviceAccount).map((user) => user.name) ?? [];
  return (
    <Stack>
      <Empty icon={IconLock} title="No trust root yet">
        The server counts approvals, and nodes believe it. With a trust root people sign what they approve with their own keys, and each
        node decides for itself whether enough of them did.
      </Empty>
      <Part title="1. Everybody registers a key">
        <Text size="sm">
          A passkey or an SSH public key, under{' '}
          <AnchorLink to="/me" inherit td="underline">
            Me
          </AnchorLink>
          . What accounts have registered stands with each{' '}
          <AnchorLink to="/access" search={{ tab: 'people' }} inherit td="underline">
            account
          </AnchorLink>
          .
        </Text>
      </Part>
      <Part title="2. Draft the root">
        <Text size="sm">
          On your own machine. It takes the registered keys and prints their ids; compare each with its owner in person.
        </Text>
        <Command text={initCommand(people)} />
        <List size="sm">
          <List.Item>Have one holder more than the threshold, and one approver more than any rule: people lose keys.</List.Item>
          <List.Item>
            Rules are <span className={classes.mono}>NAME:TEMPLATES:NODES:COUNT:WHO</span>.
          </List.Item>
        </List>
        <Command text="synod trust doctor root-1.json" />
      </Part>
      <Part title="3. Sign it">
        <Text size="sm">Each holder, on their own machine, with their own key. Compare the digest with one another.</Text>
        <Command text="synod trust sign root-1.json" />
      </Part>
      <Part title="4. Publish it, then let agents pin its digest">
        <Command text="synod trust publish root-1.json" />
        <Publish />
        <Text size="sm">Begin with observing; what enforcing would refuse then shows as events.</Text>
        <Command text="synod agent --config /etc/synod/agent.toml --trust observe --trust-root sha256:…" />
      </Part>
    </Stack>
  );
}
