import { Card, Group, SegmentedControl, Table, Title } from '@mantine/core';
import { type ReactNode, Suspense, useState } from 'react';
import { Loading } from '~/components/loading';
import classes from './overview.module.css';

/** A plot that can be read as a table as well. Those who hear the page get told of the table. */
export function Plot({ title, head, rows, children }: { title: string; head: string[]; rows: (string | number)[][]; children: ReactNode }) {
  const [view, setView] = useState('plot');
  return (
    <Card component="section" aria-label={title}>
      <Group justify="space-between" mb="sm" wrap="nowrap">
        <Title order={2} size="h4">
          {title}
        </Title>
        <SegmentedControl
          value={view}
          onChange={setView}
          style={{ flexShrink: 0 }}
          aria-label={`${title}: how to show it`}
          data={[
            { value: 'plot', label: 'Plot' },
            { value: 'table', label: 'Table' },
          ]}
        />
      </Group>
      {view === 'plot' ? (
        <div role="img" aria-label={`${title}, as a plot. The table shows the same numbers.`}>
          <Suspense fallback={<Loading />}>{children}</Suspense>
        </div>
      ) : (
        <Table.ScrollContainer minWidth={0} mah={320} type="native" tabIndex={0} role="region" aria-label={`${title}, as a table`}>
          <Table striped className={classes.table ?? ''} horizontalSpacing="xs">
            <Table.Thead>
              <Table.Tr>
                {head.map((name) => (
                  <Table.Th key={name}>{name}</Table.Th>
                ))}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rows.map(([first, ...rest]) => (
                <Table.Tr key={first}>
                  <Table.Th scope="row">{first}</Table.Th>
                  {rest.map((cell, n) => (
                    <Table.Td key={n}>{cell}</Table.Td>
                  ))}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </Card>
  );
}
