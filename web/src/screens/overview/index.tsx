import { Card, SegmentedControl, SimpleGrid, Text, Title } from '@mantine/core';
import { IconChartBar } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { lazy, type ReactNode } from 'react';
import { api, type Schemas } from '~/api/client';
import { Empty } from '~/components/empty';
import { useFilters } from '~/components/filters';
import { AnchorLink } from '~/components/links';
import { Loading } from '~/components/loading';
import { Page } from '~/components/page';
import { ProblemView } from '~/components/problem';
import { duration } from '~/lib/time';
import { dayName, occurring, rate, total } from './days';
import classes from './overview.module.css';
import { Plot } from './plot';

type Shown = Schemas['Overview'];

type Charts = typeof import('./charts');
const chart = (name: keyof Charts) => lazy(() => import('./charts').then((charts) => ({ default: charts[name] })));
const RunsChart = chart('RunsChart');
const RateChart = chart('RateChart');
const ApprovalChart = chart('ApprovalChart');
const NodesChart = chart('NodesChart');

const PERIODS = ['7', '14', '30', '90'];

/** How runs went lately: numbers, plots, and each plot as a table too. */
export default function Overview() {
  const [filters, change] = useFilters<'days'>();
  const days = PERIODS.includes(filters.days ?? '') ? (filters.days ?? '14') : '14';
  const found = api.useQuery(
    'get',
    '/api/v1/overview',
    { params: { query: { days: Number(days) } } },
    { placeholderData: (before) => before },
  );
  const period = (
    <SegmentedControl
      aria-label="Period"
      value={days}
      onChange={(next) => change({ days: next })}
      data={PERIODS.map((value) => ({ value, label: `${value} days` }))}
      styles={{ label: { minHeight: 32 } }}
    />
  );
  return (
    <Page title="Overview" about="How runs went, as far as you may see them. Days are days of UTC." actions={period}>
      {found.error !== null && <ProblemView error={found.error} retry={() => void found.refetch()} />}
      {found.isPending && <Loading />}
      {found.data && <Numbers data={found.data} />}
      {found.data && (found.data.days.some((day) => total(day) > 0) ? <Plots data={found.data} /> : <None days={days} />)}
    </Page>
  );
}

function None({ days }: { days: string }) {
  return (
    <Empty icon={IconChartBar} title={`No runs in ${days} days`}>
      Once runs are requested, this shows how many there were, how they went and how long approval took. Request one in the{' '}
      <AnchorLink to="/catalogue" underline="always">
        catalogue
      </AnchorLink>
      {days === '90' ? '.' : ', or look at a longer period.'}
    </Empty>
  );
}

const percent = (part: number): string => `${Math.round(part * 1000) / 10} %`;

function Numbers({ data }: { data: Shown }) {
  return (
    <SimpleGrid cols={{ base: 2, sm: 3, lg: 5 }} spacing="sm">
      <Tile name="Pending" value={data.pending} about="await decisions now" to="/runs" search={{ phase: 'pending' }} />
      <Tile name="Not ratified" value={data.unratified} about="started by break-glass" to="/runs" search={{ unratified: 'true' }} />
      {data.nodes && (
        <Tile name="Nodes" value={`${data.nodes.connected} of ${data.nodes.total}`} about="connected now" to="/nodes" search={{}} />
      )}
      <Tile
        name="Succeeded"
        value={data.successRate === null || data.successRate === undefined ? 'none yet' : percent(data.successRate)}
        about="of the runs that ran to their end"
      />
      <Tile
        name="Time to approval"
        value={data.approval ? duration(data.approval.p50Seconds * 1000) : 'none yet'}
        about={
          data.approval
            ? data.approval.runs === 1
              ? 'of the one run that people approved'
              : `half of ${data.approval.runs} runs; nine of ten within ${duration(data.approval.p90Seconds * 1000)}`
            : 'from the request to the last approval'
        }
      />
    </SimpleGrid>
  );
}

function Tile({
  name,
  value,
  about,
  to,
  search,
}: {
  name: string;
  value: ReactNode;
  about: string;
  to?: string;
  search?: Record<string, string>;
}) {
  const inner = (
    <>
      <Text size="sm" c="dimmed">
        {name}
      </Text>
      <div className={classes.value}>{value}</div>
      <Text size="xs" c="dimmed">
        {about}
      </Text>
    </>
  );
  if (to === undefined) return <div className={classes.number}>{inner}</div>;
  return (
    <Link to={to} search={search ?? {}} className={classes.number ?? ''}>
      {inner}
    </Link>
  );
}

function Plots({ data }: { data: Shown }) {
  const { days } = data;
  const phases = occurring(days).map((one) => one.phase);
  const newest = [...days].reverse();
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }}>
      <Plot
        title="Runs per day"
        head={['Day', ...phases, 'all']}
        rows={newest.map((day) => [dayName(day.day), ...phases.map((phase) => day.phases[phase] ?? 0), total(day)])}
      >
        <RunsChart days={days} />
      </Plot>
      <Plot
        title="Success per day"
        head={['Day', 'Succeeded', 'Failed', 'Part']}
        rows={newest.map((day) => [dayName(day.day), day.phases['succeeded'] ?? 0, day.phases['failed'] ?? 0, part(rate(day))])}
      >
        <RateChart days={days} />
      </Plot>
      <Plot
        title="Time to approval per day"
        head={['Day', 'Approved', 'Half within', 'Nine of ten within']}
        rows={newest.map(({ day, approval }) => [
          dayName(day),
          approval?.runs ?? 0,
          ...[approval?.p50Seconds, approval?.p90Seconds].map((seconds) => (seconds === undefined ? '–' : duration(seconds * 1000))),
        ])}
      >
        <ApprovalChart days={days} />
      </Plot>
      {data.nodes && (
        <Plot
          title="Nodes per day"
          head={['Day', 'Fewest connected', 'Most connected', 'All']}
          rows={newest.map(({ day, nodes }) => [dayName(day), ...[nodes?.least, nodes?.most, nodes?.total].map((count) => count ?? '–')])}
        >
          <NodesChart days={days} />
        </Plot>
      )}
      <Busiest templates={data.templates} />
    </SimpleGrid>
  );
}

const part = (value: number | null): string => (value === null ? '–' : `${value} %`);

/** Bars of plain boxes: the numbers stand beside them. */
function Busiest({ templates }: { templates: Shown['templates'] }) {
  const most = Math.max(1, ...templates.map((one) => one.runs));
  return (
    <Card component="section" aria-label="Busiest templates" className={classes.last ?? ''}>
      <Title order={2} size="h4" mb="sm">
        Busiest templates
      </Title>
      <ol className={classes.busy}>
        {templates.map((one) => (
          <li key={`${one.namespace}/${one.template}`}>
            <AnchorLink to="/history" search={{ namespace: one.namespace, template: one.template }} size="sm">
              {one.namespace}/{one.template}
            </AnchorLink>
            <Text size="sm">{one.runs === 1 ? '1 run' : `${one.runs} runs`}</Text>
            <div className={classes.bar} style={{ width: `${(100 * one.runs) / most}%` }} aria-hidden />
          </li>
        ))}
      </ol>
    </Card>
  );
}
