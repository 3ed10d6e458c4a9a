import { ActionIcon, Group, Stack, Switch, Text, TextInput } from '@mantine/core';
import { IconChevronDown, IconChevronUp, IconDownload, IconSearch, IconTerminal2, IconX } from '@tabler/icons-react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { type KeyboardEvent, useMemo, useState } from 'react';
import { Empty } from '~/components/empty';
import { ProblemView } from '~/components/problem';
import { nodesOptions } from '../data';
import { hasEnded, type Run } from '../logic/types';
import { count } from '../logic/words';
import { Lines } from './lines';
import { NodePicker } from './picker';
import { KEPT, useOutput, wholeOutput } from './stream';

/** A run's output as it comes: followed, searched, of one node or of all. */
export function OutputPane({ run, node, setNode }: { run: Run; node: string | undefined; setNode: (node: string | undefined) => void }) {
  const { data: nodes } = useQuery(nodesOptions(run.id));
  const { buffer, state, version, heard } = useOutput(run.id, node);
  // Of a long output only the end is kept here: all of it is read again to be saved.
  const saving = useMutation({
    mutationFn: async () =>
      save(
        `${run.id}${node === undefined ? '' : `-${node}`}.txt`,
        buffer.gone > 0 ? await wholeOutput(run.id, node, state === 'ended' ? undefined : heard) : buffer.asText(),
      ),
  });
  const [follow, setFollow] = useState(true);
  const [text, setText] = useState('');
  const [current, setCurrent] = useState(0);
  const found = useMemo(() => buffer.find(text), [buffer, text, version]);
  const at = found.length === 0 ? -1 : (found[Math.min(current, found.length - 1)] ?? -1);
  const empty = buffer.length === 0;

  const go = (step: number) => {
    if (found.length === 0) return;
    setFollow(false);
    setCurrent((n) => (Math.min(n, found.length - 1) + step + found.length) % found.length);
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    go(event.shiftKey ? -1 : 1);
  };
  const search = (wanted: string) => {
    setText(wanted);
    setCurrent(0);
    if (wanted !== '') setFollow(false);
  };
  return (
    <Stack gap="sm">
      <Group gap="xs" justify="space-between">
        <Group gap="xs" wrap="nowrap" style={{ flex: '1 1 260px' }} maw={480}>
          <TextInput
            aria-label="Search the output"
            placeholder="Search the output"
            data-search
            leftSection={<IconSearch size={16} aria-hidden />}
            rightSection={
              text === '' ? undefined : (
                <ActionIcon variant="subtle" color="gray" onClick={() => search('')} aria-label="Clear the search">
                  <IconX size={16} aria-hidden />
                </ActionIcon>
              )
            }
            value={text}
            onChange={(event) => search(event.currentTarget.value)}
            onKeyDown={pressed}
            style={{ flex: 1 }}
          />
          <ActionIcon size={36} variant="default" onClick={() => go(-1)} disabled={found.length === 0} aria-label="Previous match">
            <IconChevronUp size={18} aria-hidden />
          </ActionIcon>
          <ActionIcon size={36} variant="default" onClick={() => go(1)} disabled={found.length === 0} aria-label="Next match">
            <IconChevronDown size={18} aria-hidden />
          </ActionIcon>
        </Group>
        <Group gap="sm">
          {(nodes?.length ?? 0) > 1 && <NodePicker names={(nodes ?? []).map(({ name }) => name)} node={node} setNode={setNode} />}
          {!hasEnded(run) && <Switch label="Follow" checked={follow} onChange={(event) => setFollow(event.currentTarget.checked)} />}
          <ActionIcon
            size={36}
            variant="default"
            disabled={empty}
            aria-label="Save as text"
            title="Save as text"
            loading={saving.isPending}
            onClick={() => saving.mutate()}
          >
            <IconDownload size={18} aria-hidden />
          </ActionIcon>
        </Group>
      </Group>
      <Text size="xs" c="dimmed" role="status">
        {words(state, buffer.length, buffer.gone, buffer.dropped)}
        {text !== '' &&
          ` · ${found.length === 0 ? 'nothing found' : `${Math.min(current, found.length - 1) + 1} of ${count(found.length, 'match').replace('matchs', 'matches')}`}`}
      </Text>
      {saving.error !== null && <ProblemView error={saving.error} />}
      {empty ? (
        <Empty icon={IconTerminal2} title={state === 'ended' ? 'It wrote nothing' : 'No output yet'}>
          {run.startedAt
            ? 'What the steps write shows here as it comes.'
            : 'The run has not started; what its steps write will show here as it comes.'}
        </Empty>
      ) : (
        <Lines
          buffer={buffer}
          version={version}
          follow={follow && !hasEnded(run)}
          unfollow={() => setFollow(false)}
          found={found}
          current={at}
          oneNode={node !== undefined}
        />
      )}
    </Stack>
  );
}

function words(state: string, lines: number, gone: number, dropped: number): string {
  const now =
    { connecting: 'connecting …', live: 'live', lost: 'the connection is lost; it goes on by itself', ended: 'complete' }[state] ?? state;
  return [
    now,
    count(lines, 'line'),
    ...(gone > 0
      ? [`${count(gone, 'earlier line')} let go (the last ${KEPT.toLocaleString('en')} are kept; saving writes all of them)`]
      : []),
    ...(dropped > 0 ? [`${count(dropped, 'byte')} dropped by the nodes, beyond the bound`] : []),
  ].join(' · ');
}

/** Saves a text as a file. */
function save(name: string, text: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain;charset=utf-8' }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
