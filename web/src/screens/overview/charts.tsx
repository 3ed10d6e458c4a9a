import '@mantine/charts/styles.css';
import { BarChart, LineChart } from '@mantine/charts';
import type { Schemas } from '~/api/client';
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

/** The part of the runs that succeeded, by day; days on which nothing ended leave a gap. */
export function RateChart({ days }: { days: Day[] }) {
  const data = days.map((day) => ({ day: dayName(day.day), succeeded: rate(day) }));
  return (
    <LineChart
      h={240}
      data={data}
      dataKey="day"
      series={[{ name: 'succeeded', label: 'succeeded, per cent', color: 'teal.6' }]}
      xAxisProps={{ padding: { left: 16, right: 16 } }}
      yAxisProps={{ domain: [0, 100], width: 48 }}
      lineChartProps={{ margin: { top: 12, right: 8 } }}
      unit="%"
      connectNulls={false}
      curveType="linear"
      lineProps={{ isAnimationActive: false }}
    />
  );
}
