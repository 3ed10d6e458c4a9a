import { Alert, Button, Group, Loader, Modal, Stack, Text } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconGitMerge } from '@tabler/icons-react';
import { type ReactNode, useState } from 'react';
import { api } from '~/api/client';
import { ApiError, CODE } from '~/api/problem';
import { ProblemView } from '~/components/problem';
import { Diff } from './diff';
import { applyThing, usePhone } from './objects';

/** The server's word on a field, by the pointer of what it is in the document. */
export type ErrorAt = (pointer: string) => string | undefined;

interface Props {
  title: string;
  /** On the button; says exactly what will happen. */
  what: string;
  /** As it would be applied; absent while something is missing. */
  document: object | undefined;
  /** What must be filled in before there is a document. */
  missing?: string;
  /** The revision it was edited from; 0 for a new one. */
  revision: number;
  /** Pointers whose problems the fields show themselves. */
  shown: string[];
  fields: (errorAt: ErrorAt) => ReactNode;
  close: () => void;
  done?: () => void;
  /** Reads what there is now and takes its revision to go on from, keeping what was typed. */
  rebase?: () => Promise<void>;
}

const PREFIX = '/documents/0';

/** A form about one document: the server checks it while it is filled in and shows what would change; then it is applied. */
export function DocumentDialog(props: Props) {
  const phone = usePhone();
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<unknown>();
  const wanted = props.document === undefined ? '' : JSON.stringify(props.document);
  const [settled] = useDebouncedValue(wanted, 350);
  const dry = useDryRun(settled, props.revision);
  const error = failed ?? (settled === '' ? undefined : dry.error);
  const problems = error instanceof ApiError ? (error.problem.problems ?? []) : [];
  const errorAt: ErrorAt = (pointer) => {
    const found = problems.find((one) => one.pointer === PREFIX + pointer || one.pointer.startsWith(`${PREFIX}${pointer}/`));
    return found && [found.message, found.hint].filter(Boolean).join('; ');
  };
  const atField = (pointer: string) => props.shown.some((one) => pointer === PREFIX + one || pointer.startsWith(`${PREFIX}${one}/`));
  const elsewhere = error !== undefined && error !== null && (problems.length === 0 || problems.some((one) => !atField(one.pointer)));
  const conflict = error instanceof ApiError && error.code === CODE.revisionConflict;
  const result = settled === wanted && !dry.error ? dry.data?.results[0] : undefined;
  const save = async () => {
    if (props.document === undefined) return;
    setBusy(true);
    setFailed(undefined);
    try {
      await applyThing(props.document, props.revision);
      props.done?.();
      props.close();
    } catch (cause) {
      setFailed(cause);
    } finally {
      setBusy(false);
    }
  };
  const rebase = async () => {
    await props.rebase?.();
    setFailed(undefined);
  };
  return (
    <Modal
      opened
      onClose={props.close}
      title={props.title}
      size="lg"
      fullScreen={phone}
      closeOnClickOutside={false}
      closeButtonProps={{ 'aria-label': 'Close', size: 36 }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
        onChange={() => setFailed(undefined)}
      >
        <Stack>
          {props.fields(errorAt)}
          {conflict && (props.revision === 0 ? <Taken /> : <Conflict rebase={() => void rebase()} />)}
          {elsewhere && !conflict && <ProblemView error={error} except={atField} />}
          <Change settled={settled} missing={props.missing} checking={settled !== wanted || dry.isFetching} result={result} />
          <Group justify="flex-end">
            <Button variant="default" onClick={props.close}>
              Cancel
            </Button>
            <Button type="submit" loading={busy} disabled={result === undefined || result.action === 'unchanged'}>
              {props.what}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function useDryRun(settled: string, revision: number) {
  const documents = settled === '' ? [] : [JSON.parse(settled) as Record<string, never>];
  return api.useQuery(
    'post',
    '/api/v1/apply',
    { params: { header: { 'If-Match': `"${revision}"` } }, body: { documents, dryRun: true } },
    { enabled: settled !== '', retry: false, gcTime: 0, staleTime: 0, refetchOnWindowFocus: false },
  );
}

function Change(props: { settled: string; missing?: string; checking: boolean; result: { action: string; diff?: string } | undefined }) {
  if (props.settled === '') {
    return (
      <Text size="sm" c="dimmed">
        {props.missing}
      </Text>
    );
  }
  if (props.result === undefined) {
    return props.checking ? (
      <Group gap="xs" role="status">
        <Loader size="xs" />
        <Text size="sm" c="dimmed">
          Checking
        </Text>
      </Group>
    ) : null;
  }
  if (props.result.action === 'unchanged') {
    return (
      <Text size="sm" c="dimmed" role="status">
        Nothing would change.
      </Text>
    );
  }
  return (
    <Stack gap={4}>
      <Text size="sm" fw={600}>
        What changes
      </Text>
      <Diff text={props.result.diff ?? ''} />
    </Stack>
  );
}

function Taken() {
  return (
    <Alert color="orange" role="alert" styles={{ message: { color: 'var(--mantine-color-text)' } }}>
      Something of this name exists already. Choose another name.
    </Alert>
  );
}

function Conflict({ rebase }: { rebase: () => void }) {
  return (
    <Alert
      color="orange"
      role="alert"
      icon={<IconGitMerge aria-hidden />}
      title="Somebody changed it meanwhile"
      styles={{ title: { color: 'var(--mantine-color-text)' }, message: { color: 'var(--mantine-color-text)' } }}
    >
      <Stack gap="xs" align="flex-start">
        <Text size="sm">
          What you typed is kept. Go on from the newest one: the change below then shows what yours would undo of theirs.
        </Text>
        <Button variant="default" onClick={rebase}>
          Go on from the newest
        </Button>
      </Stack>
    </Alert>
  );
}
