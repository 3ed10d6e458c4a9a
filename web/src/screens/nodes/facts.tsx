import { Text, TextInput, VisuallyHidden } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { useState } from 'react';
import { Time } from '~/components/time';
import { visible, visibleLine } from '~/lib/text';
import { flat } from './fits';
import classes from './nodes.module.css';

/** A time as agents write it. */
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

/** What the agent found on the machine, by path, searchable. */
export function Facts({ facts }: { facts: Record<string, unknown> }) {
  const [search, setSearch] = useState('');
  const words = search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const all = flat(facts).sort(([a], [b]) => a.localeCompare(b));
  const found = all.filter(([path, value]) => words.every((word) => `${path} ${value}`.toLowerCase().includes(word)));
  if (all.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        Its agent has reported no facts yet. It does so when it connects.
      </Text>
    );
  }
  return (
    <>
      <TextInput
        aria-label="Search the facts"
        placeholder="Search the facts"
        leftSection={<IconSearch size={16} aria-hidden />}
        value={search}
        onChange={(event) => setSearch(event.currentTarget.value)}
        data-search
        mb="xs"
      />
      <dl className={classes.facts}>
        {found.map(([path, value]) => (
          <div key={path} className={classes.pair}>
            <dt>{visibleLine(path)}</dt>
            <dd>{INSTANT.test(value) ? <Time at={value} /> : visible(value)}</dd>
          </div>
        ))}
      </dl>
      <VisuallyHidden role="status">{search !== '' ? `${found.length} of ${all.length} facts` : ''}</VisuallyHidden>
      {found.length === 0 && (
        <Text size="sm" c="dimmed">
          No fact contains “{search}”.
        </Text>
      )}
    </>
  );
}
