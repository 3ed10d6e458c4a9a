import { Box, Card, Stack, Tabs, Title } from '@mantine/core';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { api } from '~/api/client';
import { Loading } from '~/components/loading';
import { Page } from '~/components/page';
import { ProblemView } from '~/components/problem';
import { titleOf } from '~/lib/text';
import { LastTime } from './comparison';
import { useDescription } from './data';
import { DecideBar } from './decide/bar';
import { RunFacts } from './facts';
import { BreakGlass, RunActions, RunStatus } from './header';
import type { Run } from './logic/types';
import { ManifestView } from './manifest';
import { NodesPanel } from './nodes/panel';
import { OutputPane } from './output/pane';
import { RunProgress } from './progress';
import { Rules } from './rules';
import classes from './run.module.css';
import { Steps } from './steps';
import { RunTimeline } from './timeline';

/** A run: what it is, how it goes, what there is to do. */
export default function Screen() {
  const { id } = useParams({ from: '/signed-in/runs/$id' });
  const { data: run, error, refetch } = api.useQuery('get', '/api/v1/runs/{id}', { params: { path: { id } } });
  if (run === undefined) {
    return <Page title="Run">{error ? <ProblemView error={error} retry={() => void refetch()} /> : <Loading />}</Page>;
  }
  return <RunPage run={run} />;
}

const TABS = [
  ['request', 'Request'],
  ['nodes', 'Nodes'],
  ['output', 'Output'],
  ['timeline', 'Timeline'],
  ['manifest', 'Manifest'],
] as const;

function RunPage({ run }: { run: Run }) {
  const search = useSearch({ from: '/signed-in/runs/$id' });
  const navigate = useNavigate({ from: '/runs/$id' });
  const about = useDescription(run);
  const set = (change: Record<string, string | undefined>) =>
    void navigate({ search: (before) => ({ ...before, ...change }), replace: true, resetScroll: false });
  const tab = TABS.find(([name]) => name === search['tab'])?.[0] ?? (run.startedAt ? 'nodes' : 'request');
  return (
    <Page title={titleOf(run)} about={<RunStatus run={run} about={about} />} actions={<RunActions run={run} />}>
      <BreakGlass run={run} />
      {run.startedAt && <RunProgress run={run} />}
      <Tabs value={tab} onChange={(to) => set({ tab: to ?? undefined })} keepMounted={false}>
        <Tabs.List className={classes.list ?? ''}>
          {TABS.map(([name, label]) => (
            <Tabs.Tab key={name} value={name} className={classes.tab ?? ''}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Box pt="md">
          <Tabs.Panel value="request">
            <Request run={run} />
          </Tabs.Panel>
          <Tabs.Panel value="nodes">
            <NodesPanel run={run} filters={search} setFilters={set} />
          </Tabs.Panel>
          <Tabs.Panel value="output">
            <OutputPane run={run} node={search['node']} setNode={(node) => set({ node })} />
          </Tabs.Panel>
          <Tabs.Panel value="timeline">
            <RunTimeline run={run} />
          </Tabs.Panel>
          <Tabs.Panel value="manifest">
            <ManifestView run={run} />
          </Tabs.Panel>
        </Box>
      </Tabs>
      {run.awaitsMe && <DecideBar run={run} />}
    </Page>
  );
}

function Request({ run }: { run: Run }) {
  return (
    <div className={classes.two}>
      <Stack gap="md">
        <Part title="What is asked">
          <RunFacts run={run} eager />
        </Part>
        <Part title="What it will run">
          <Steps manifest={run.manifest} preview={run.preview} open />
        </Part>
      </Stack>
      <Stack gap="md">
        <Part title="Approvals">
          <Rules run={run} />
        </Part>
        <Part title="Compared with before">
          <LastTime run={run} />
        </Part>
      </Stack>
    </div>
  );
}

const Part = ({ title, children }: { title: string; children: ReactNode }) => (
  <Card component="section" aria-label={title}>
    <Title order={2} size="h5" mb="xs">
      {title}
    </Title>
    {children}
  </Card>
);
