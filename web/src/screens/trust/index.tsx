import { Alert, Tabs } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { IconFlame } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { api } from '~/api/client';
import { useFilters } from '~/components/filters';
import { AnchorLink } from '~/components/links';
import { Loading } from '~/components/loading';
import { Page } from '~/components/page';
import { ProblemView } from '~/components/problem';
import { First } from './first';
import { History } from './history';
import { InForce } from './in-force';
import { Next } from './next';
import { People } from './people';
import { Rules } from './rules';
import classes from './trust.module.css';

const TABS = [
  ['root', 'In force'],
  ['people', 'People and keys'],
  ['rules', 'Rules'],
  ['history', 'Versions'],
  ['next', 'Change it'],
] as const;

/** The trust root: whose signatures count, and how many of whom it takes. */
export default function Screen() {
  const navigate = useNavigate();
  const [filters] = useFilters<'tab'>();
  const { data, error, refetch } = api.useQuery('get', '/api/v1/trust');
  // As in Access: in two lines on a phone.
  const phone = useMediaQuery('(max-width: 48em)');
  const tab = TABS.find(([one]) => one === filters.tab)?.[0] ?? 'root';
  const go = (to: string | null) => void navigate({ to: '/trust', search: { tab: to ?? 'root' }, resetScroll: false });
  return (
    <Page
      title="Trust"
      about="Whose signatures nodes believe, and how many of whom it takes. Nodes judge for themselves, whatever this server says."
    >
      {error && <ProblemView error={error} retry={() => void refetch()} />}
      {!data && !error && <Loading />}
      {data && data.unratified > 0 && (
        <Alert color="red" icon={<IconFlame aria-hidden />} styles={{ message: { color: 'var(--mantine-color-text)' } }}>
          {data.unratified === 1 ? '1 run was' : `${data.unratified} runs were`} started by break-glass and nobody has ratified{' '}
          {data.unratified === 1 ? 'it' : 'them'} yet.{' '}
          <AnchorLink to="/runs" search={{ unratified: 'true' }} inherit td="underline">
            Look at {data.unratified === 1 ? 'it' : 'them'}
          </AnchorLink>
        </Alert>
      )}
      {data && !data.root && <First />}
      {data?.root && (
        <Tabs value={tab} onChange={go} variant={phone ? 'pills' : 'default'} keepMounted={false}>
          <Tabs.List mb="md" aria-label="Trust">
            {TABS.map(([value, label]) => (
              <Tabs.Tab key={value} value={value} className={classes.tab ?? ''}>
                {label}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          <Tabs.Panel value="root">
            <InForce trust={data} root={data.root} />
          </Tabs.Panel>
          <Tabs.Panel value="people">
            <People root={data.root} />
          </Tabs.Panel>
          <Tabs.Panel value="rules">
            <Rules root={data.root} />
          </Tabs.Panel>
          <Tabs.Panel value="history">
            <History newest={data.root.version} />
          </Tabs.Panel>
          <Tabs.Panel value="next">
            <Next root={data.root} />
          </Tabs.Panel>
        </Tabs>
      )}
    </Page>
  );
}
