import { ActionIcon, Button, Code, Group, Input, Stack, Text } from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import { client, unwrap } from '~/api/client';
import { invalidate } from '~/api/query';
import { toApiError } from '~/api/problem';
import { ProblemView } from '~/components/problem';
import { toPointer } from '~/forms/pointer';
import type { Node } from './judging';
import { changes } from './labels';

interface Row {
  id: number;
  key: string;
  value: string;
}

const rowsOf = (labels: Record<string, string>): Row[] => Object.entries(labels).map(([key, value], id) => ({ id, key, value }));

/** Changes what people say about a node: runs find their nodes by it. */
export function EditLabels({ node, done }: { node: Node; done: () => void }) {
  const [before] = useState(node.labels);
  const [rows, setRows] = useState<Row[]>(() =>
    Object.keys(node.labels).length > 0 ? rowsOf(node.labels) : [{ id: 0, key: '', value: '' }],
  );
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const [tried, setTried] = useState(false);
  const filled = rows.filter((row) => row.key.trim() !== '' || row.value.trim() !== '');
  const change = changes(before, Object.fromEntries(filled.map((row) => [row.key.trim(), row.value.trim()])));
  const problems = error === undefined ? [] : (toApiError(error).problem.problems ?? []);
  const mine = (row: Row) => problems.filter((one) => one.pointer === `/labels${toPointer([row.key.trim()])}`);
  const wrong = (row: Row): string | undefined => {
    if (tried && row.key.trim() === '' && row.value.trim() !== '') return 'A label needs a name';
    if (tried && row.key.trim() !== '' && rows.some((other) => other.id < row.id && other.key.trim() === row.key.trim()))
      return 'This name is there twice';
    return (
      mine(row)
        .map((one) => one.message)
        .join(' ') || undefined
    );
  };
  // The server tells of a label at its name; its words begin with what is wrong, the name or the value.
  const wrongValue = (row: Row): boolean =>
    row.value.trim() !== row.key.trim() && mine(row).some((one) => one.message.startsWith(`\`${row.value.trim()}\``));
  const shownAtFields = new Set(rows.flatMap(mine));
  const rest = problems.filter((one) => !shownAtFields.has(one));
  const set = (id: number, next: Partial<Row>) => {
    // What the server said was about what stood there before.
    setError(undefined);
    setRows(rows.map((row) => (row.id === id ? { ...row, ...next } : row)));
  };
  const save = async () => {
    setTried(true);
    const names = filled.map((row) => row.key.trim());
    if (names.includes('') || new Set(names).size < names.length) return;
    if (Object.keys(change).length === 0) return done();
    setBusy(true);
    setError(undefined);
    try {
      await unwrap(client.PATCH('/api/v1/nodes/{name}', { params: { path: { name: node.name } }, body: { labels: change } }));
      invalidate('/api/v1/nodes');
      done();
    } catch (cause) {
      setError(cause);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <Stack gap="xs">
        {rows.map((row, n) => {
          const told = wrong(row);
          const at = told === undefined ? undefined : wrongValue(row) ? 'value' : 'name';
          const marked = (field: 'name' | 'value') => ({
            error: at === field,
            withAria: false,
            'aria-invalid': at === field,
            'aria-describedby': at === field ? `label-${row.id}-wrong` : undefined,
          });
          return (
            <div key={row.id}>
              <Group gap="xs" wrap="nowrap">
                <Input
                  flex={1}
                  aria-label={`Name of label ${n + 1}`}
                  placeholder="role"
                  value={row.key}
                  {...marked('name')}
                  onChange={(event) => set(row.id, { key: event.currentTarget.value })}
                  spellCheck={false}
                  autoCapitalize="none"
                />
                <Input
                  flex={1}
                  aria-label={`Value of label ${n + 1}`}
                  placeholder="web"
                  value={row.value}
                  {...marked('value')}
                  onChange={(event) => set(row.id, { value: event.currentTarget.value })}
                  spellCheck={false}
                  autoCapitalize="none"
                />
                <ActionIcon
                  size={36}
                  variant="subtle"
                  color="gray"
                  aria-label={`Take label ${row.key || n + 1} away`}
                  onClick={() => setRows(rows.filter((one) => one.id !== row.id))}
                >
                  <IconTrash size={18} aria-hidden />
                </ActionIcon>
              </Group>
              <Input.Error id={`label-${row.id}-wrong`} role="alert">
                {told}
              </Input.Error>
            </div>
          );
        })}
        <Group>
          <Button
            variant="default"
            leftSection={<IconPlus size={16} aria-hidden />}
            onClick={() => setRows([...rows, { id: Math.max(-1, ...rows.map((row) => row.id)) + 1, key: '', value: '' }])}
          >
            Add a label
          </Button>
        </Group>
        {error !== undefined && (problems.length === 0 || rest.length > 0) && (
          <ProblemView error={error} except={(pointer) => !rest.some((one) => one.pointer === pointer)} />
        )}
        <Text size="sm" c="dimmed">
          {Object.keys(change).length === 0
            ? 'Nothing is changed yet.'
            : Object.entries(change).map(([key, value]) => (
                <span key={key}>
                  {value === null ? 'Takes ' : 'Sets '}
                  <Code>{value === null ? key : `${key}=${value}`}</Code>
                  {value === null ? ' away. ' : '. '}
                </span>
              ))}
        </Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={done}>
            Back
          </Button>
          <Button type="submit" loading={busy}>
            Save the labels
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
