import { Tabs } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import { useFilters } from '~/components/filters';
import { Loading } from '~/components/loading';
import { Page } from '~/components/page';
import classes from './access.module.css';
import { Groups } from './groups';
import { Matrix } from './matrix';
import { Namespaces } from './namespaces';
import { usePhone } from './objects';
import { People } from './people';
import { Roles } from './roles';

/** The editor is heavy; it comes with the tab that needs it. */
const Policies = lazy(() => import('./policies'));

const TABS = [
  { tab: 'people', label: 'People', about: 'Accounts of people and machines: who may sign in, with what.', content: People },
  { tab: 'groups', label: 'Groups', about: 'Named people, to give roles to and to ask for approval.', content: Groups },
  { tab: 'roles', label: 'Roles', about: 'Who has which role, where, and until when.', content: Roles },
  { tab: 'namespaces', label: 'Namespaces', about: 'What keeps teams apart: templates, runs and roles live in one.', content: Namespaces },
  { tab: 'policies', label: 'Policies', about: 'Rules in Cedar that allow more than the roles do, or forbid.', content: Policies },
  { tab: 'matrix', label: 'Who may what', about: 'Who may do what where, as roles, groups and policies have it now.', content: Matrix },
] as const;

/** Who may do what: people, groups, roles, namespaces, policies, and what follows from them. */
export default function Screen() {
  const navigate = useNavigate();
  const [{ tab }] = useFilters<'tab'>();
  // So many are in two lines on a phone, where an underline would hang between them.
  const phone = usePhone();
  const here = TABS.find((one) => one.tab === tab) ?? TABS[0];
  // The filters of one tab mean nothing in another.
  const go = (to: string | null) => void navigate({ to: '/access', search: { tab: to ?? 'people' }, resetScroll: false });
  return (
    <Page title="Access" about={here.about}>
      <Tabs value={here.tab} onChange={go} variant={phone ? 'pills' : 'default'} keepMounted={false}>
        <Tabs.List mb="md" aria-label="Access">
          {TABS.map((one) => (
            <Tabs.Tab key={one.tab} value={one.tab} className={classes.tab ?? ''}>
              {one.label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {TABS.map((one) => (
          <Tabs.Panel key={one.tab} value={one.tab}>
            <Suspense fallback={<Loading />}>
              <one.content />
            </Suspense>
          </Tabs.Panel>
        ))}
      </Tabs>
    </Page>
  );
}
