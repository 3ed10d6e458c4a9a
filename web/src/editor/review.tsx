import { Alert, Button, Group, Modal, Stack, Text } from '@mantine/core';
import { useEffect, useState } from 'react';
import { CODE, toApiError } from '~/api/problem';
import { Confirm } from '~/components/confirm';
import { Loading } from '~/components/loading';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { apply } from './check';
import { Compare } from './on-demand';
import { sides } from './diff';
import { readText, toText } from './text';
import type { Applied, Document } from './types';

/** Shows what saving changes, as the server reads it, and saves. */
export function Review(props: {
  text: string;
  revision: number;
  close: () => void;
  done: (applied: Applied) => void;
  conflict: () => void;
}) {
  const { text, revision, conflict } = props;
  const [plan, setPlan] = useState<Applied>();
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const attempt = async (dryRun: boolean) => {
    const read = readText(text);
    setError(undefined);
    try {
      if (!read.ok) throw new Error(read.message);
      return await apply(read.value, revision, dryRun);
    } catch (cause) {
      const failed = toApiError(cause);
      setError(failed);
      if (failed.code === CODE.revisionConflict) conflict();
      return undefined;
    }
  };
  useEffect(() => {
    let here = true;
    void attempt(true).then((answer) => here && setPlan(answer));
    return () => {
      here = false;
    };
    // Once for each text and revision.
  }, [text, revision]);
  const save = async () => {
    setBusy(true);
    const applied = await attempt(false);
    setBusy(false);
    if (applied) props.done(applied);
  };
  const conflicting = error !== undefined && toApiError(error).code === CODE.revisionConflict;
  const { before, after } = sides(plan?.diff ?? '');
  return (
    <Modal opened onClose={props.close} title="What saving changes" size="min(1200px, 96vw)" closeButtonProps={{ 'aria-label': 'Close' }}>
      <Stack>
        {!plan && error === undefined && <Loading />}
        {plan && (
          <Text size="sm">
            {plan.kind} {plan.namespace ? `${plan.namespace}/` : ''}
            {plan.name}:{' '}
            {plan.action === 'created'
              ? 'it is new'
              : plan.action === 'updated'
                ? `becomes revision ${plan.revision}`
                : 'it says the same as before'}
            . Fields left out are shown with their defaults.
          </Text>
        )}
        {plan && plan.action !== 'unchanged' && (
          <Compare
            before={before}
            after={after}
            names={plan.action === 'created' ? ['Nothing', 'New'] : [`Revision ${plan.revision - 1}`, `Revision ${plan.revision}`]}
          />
        )}
        {error !== undefined && <ProblemView error={error} />}
        {conflicting && <Text size="sm">Nothing of yours is lost: go back to see both texts beside each other.</Text>}
        <Group justify="flex-end">
          <Button variant="default" onClick={props.close}>
            Back to the text
          </Button>
          {plan && plan.action !== 'unchanged' && !conflicting && (
            <Button loading={busy} onClick={() => void save()}>
              {plan.action === 'created' ? `Create ${plan.name}` : `Save as revision ${plan.revision}`}
            </Button>
          )}
        </Group>
      </Stack>
    </Modal>
  );
}

/** Somebody else saved while one was writing: shows both, and lets one choose. */
export function Newer(props: { document: Document; mine: string; keep: () => void; take: () => void }) {
  const [dropping, setDropping] = useState(false);
  const { revision, author, updatedAt } = props.document.metadata;
  const theirs = `Revision ${revision} by ${author}`;
  return (
    <Alert color="orange" role="alert" title="Somebody changed it meanwhile" styles={{ title: { color: 'var(--mantine-color-text)' } }}>
      <Stack gap="sm">
        <Text size="sm">
          {author} saved revision {revision} <Time at={updatedAt} ago />. This is theirs beside yours; change your text below until it has
          what both of you want.
        </Text>
        <Compare before={toText(props.document)} after={props.mine} names={[theirs, 'Mine']} />
        <Group gap="xs">
          <Button onClick={props.keep}>Go on with mine, on top of theirs</Button>
          <Button variant="default" onClick={() => setDropping(true)}>
            Take theirs
          </Button>
        </Group>
      </Stack>
      <Confirm
        opened={dropping}
        close={() => setDropping(false)}
        title="Drop what you wrote?"
        color="red.9"
        what="Drop mine, take theirs"
        act={() => {
          props.take();
          return Promise.resolve();
        }}
      >
        <Text size="sm">Your text is replaced by revision {revision}. Ctrl+Z in the editor brings it back while this page stays open.</Text>
      </Confirm>
    </Alert>
  );
}
