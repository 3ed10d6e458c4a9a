import '@mantine/charts/styles.css';
import { BarChart, LineChart } from '@mantine/charts';
import type { Schemas } from '~/api/client';
import { duration } from '~/lib/time';
import { dayName, occurring, rate } from './days';

type Day = Schemas['Day'];

/** Runs per day, stacked by the phase they stand in. */
export function RunsChart({ days }: { days: Day[] }) {
  const data = days.map((day) => ({ day: dayName(day.day), ...day.phases }));
  const series = occurring(days).map(({ phase, color }) => ({ name: phase, color }));
  return (
    <BarChart
      h={240}
      data={data}
      dataKey="day"
      type="stacked"
      series={series}
      withLegend
      yAxisProps={{ allowDecimals: false, width: 36 }}
      barProps={{ isAnimationActive: false }}
    />
  );
}

type Line = { name: string; label: string; color: string };

/** Lines by day; a day without a value leaves a gap, and one alone shows as a dot. */
function Lines({ data, series, top, ...props }: { data: Record<string, unknown>[]; series: Line[]; top?: number } & Format) {
  return (
    <LineChart
      h={240}
      data={data}
      dataKey="day"
      series={series}
      withLegend={series.length > 1}
      xAxisProps={{ padding: { left: 16, right: 16 } }}
      yAxisProps={{ domain: [0, top ?? 'auto'], width: props.valueFormatter ? 72 : 48, allowDecimals: false }}
      lineChartProps={{ margin: { top: 12, right: 8 } }}
      connectNulls={false}
      curveType="linear"
      lineProps={{ isAnimationActive: false }}
      {...props}
    />
  );
}

type Format = { unit?: string; valueFormatter?: (value: number) => string };

/** The part of the runs that succeeded, by day; days on which nothing ended leave a gap. */
export function RateChart({ days }: { days: Day[] }) {
  const data = days.map((day) => ({ day: dayName(day.day), succeeded: rate(day) }));
  return <Lines data={data} series={[{ name: 'succeeded', label: 'succeeded, per cent', color: 'teal.6' }]} top={100} unit="%" />;
}

/** How long approval took, by the day of the request. */
export function ApprovalChart({ days }: { days: Day[] }) {
  const data = days.map(({ day, approval }) => ({
    day: dayName(day),
    half: approval ? approval.p50Seconds * 1000 : null,
    most: approval ? approval.p90Seconds * 1000 : null,
  }));
  const series = [
    { name: 'half', label: 'half of the runs within', color: 'blue.6' },
    { name: 'most', label: 'nine of ten within', color: 'grape.6' },
  ];
  return <Lines data={data} series={series} valueFormatter={duration} />;
}

/** How many nodes were connected, by day. */
export function NodesChart({ days }: { days: Day[] }) {
  const data = days.map(({ day, nodes }) => ({ day: dayName(day), least: null, most: null, total: null, ...nodes }));
  const series = [
    { name: 'total', label: 'all nodes', color: 'gray.6' },
    { name: 'most', label: 'most connected', color: 'teal.6' },
    { name: 'least', label: 'fewest connected', color: 'orange.6' },
  ];
  return <Lines data={data} series={series} />;
}
