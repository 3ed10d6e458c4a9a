import { Alert, Button, Group, Stack, Text } from '@mantine/core';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { Diagnostic } from '@codemirror/lint';
import { api } from '~/api/client';
import { invalidate } from '~/api/query';
import { LeaveGuard } from '~/forms/leave';
import { useMe } from '~/session/session';
import { type Checked, checkText, strays } from './check';
import type { Handle } from './code';
import { keepDraft, keptDraft } from './draft';
import { Findings } from './findings';
import { CodeEditor } from './on-demand';
import { Newer, Review } from './review';
import type { Schema } from './schema';
import { readText, toText } from './text';
import { type Applied, type Document, type DocumentEditorProps, PLURAL } from './types';

/** The editor with everything around it. `document` is the newest the server has; `undefined` for a new thing. */
export function Desk(props: DocumentEditorProps & { document: Document | undefined }) {
  const { kind, namespace, name, document, saved } = props;
  const me = useMe();
  const what = `${kind}/${namespace ?? ''}/${name ?? ''}`;
  const stands = useMemo(() => (document ? toText(document) : (props.starter ?? '')), [document, props.starter]);
  const newest = document?.metadata.revision ?? 0;
  const [draft] = useState(() => keptDraft(me.user, what));
  const [text, setText] = useState(draft?.text ?? stands);
  // What the text was edited from; stays when somebody else saves.
  const [from, setFrom] = useState({ text: stands, revision: draft?.revision ?? newest });
  const [checked, setChecked] = useState<Checked>();
  const [reviewing, setReviewing] = useState(false);
  const handle = useRef<Handle>(null);
  // The same two for what happens between two drawings.
  const current = useRef(text);
  const base = useRef(stands);
  const { data: schema } = api.useQuery(
    'get',
    '/api/v1/schemas/{kind}',
    { params: { path: { kind: PLURAL[kind] } } },
    { staleTime: Infinity },
  );
  const dirty = text !== from.text;
  const label = name === undefined ? `New ${kind}` : `${kind} ${name}`;

  const changed = (next: string) => {
    current.current = next;
    setText(next);
    setChecked(undefined);
    keepDraft(me.user, what, next === from.text ? undefined : { text: next, revision: from.revision });
  };
  const check = useCallback(
    async (asked: string): Promise<Diagnostic[]> => {
      const answer = await checkText(asked, schema as Schema | undefined, { kind, namespace, name });
      if (asked === current.current) setChecked(answer);
      return answer.findings.map((one) => ({
        from: one.from,
        to: one.to,
        severity: 'error',
        message: one.hint ? `${one.message}\n${one.hint}` : one.message,
      }));
    },
    [schema, kind, namespace, name],
  );
  /** Begins anew with this text and revision. */
  const startFrom = (next: { text: string; revision: number }, put: string) => {
    setFrom(next);
    base.current = next.text;
    current.current = put;
    setText(put);
    handle.current?.replace(put);
    keepDraft(me.user, what, put === next.text ? undefined : { text: put, revision: next.revision });
  };
  const done = (applied: Applied) => {
    keepDraft(me.user, what, undefined);
    base.current = current.current;
    setFrom({ text: current.current, revision: applied.revision });
    setReviewing(false);
    invalidate('/api/v1/objects');
    saved?.(applied);
  };

  // Nothing of one's own is at stake: what somebody else saved simply takes its place.
  const overtaken = document !== undefined && newest > from.revision;
  const follow = overtaken && !dirty;
  useEffect(() => {
    if (follow) startFrom({ text: stands, revision: newest }, stands);
  });

  const broken = (checked?.findings.length ?? 0) > 0;
  const review = () => {
    // By the key, what was typed last may not be checked yet.
    const read = readText(current.current);
    if (!broken && read.ok && strays(read.value, { kind, namespace, name }).length === 0) setReviewing(true);
    else handle.current?.check();
  };
  const nothing = checked?.plan?.action === 'unchanged';
  return (
    <Stack gap="sm">
      {draft !== undefined && dirty && text === draft.text && (
        <Alert p="xs" role="status">
          <Group justify="space-between" gap="xs">
            <Text size="sm">Your unsaved text of before is back.</Text>
            <Button size="xs" variant="default" onClick={() => startFrom({ text: stands, revision: newest }, stands)}>
              Drop it
            </Button>
          </Group>
        </Alert>
      )}
      {overtaken && dirty && document && (
        <Newer
          document={document}
          mine={text}
          keep={() => startFrom({ text: stands, revision: newest }, text)}
          take={() => startFrom({ text: stands, revision: newest }, stands)}
        />
      )}
      <CodeEditor
        label={`${label}, as YAML`}
        describedBy="editor-help"
        initial={text}
        schema={schema as Schema | undefined}
        check={check}
        changed={changed}
        save={review}
        handle={handle}
      />
      <Findings checked={checked} text={text} goTo={(one) => handle.current?.goTo(one.from, one.to)} />
      <Group justify="space-between" gap="xs">
        <Text id="editor-help" size="xs" c="dimmed" maw={560}>
          Ctrl+Space completes, pointing at a word explains it. Comments are not kept by the server.
        </Text>
        <Group gap="xs">
          {dirty && (
            <Button variant="default" onClick={() => startFrom({ text: stands, revision: newest }, stands)}>
              Undo all
            </Button>
          )}
          <Button onClick={review} disabled={(name !== undefined && !dirty) || broken}>
            {nothing ? 'Nothing to save' : 'Review and save'}
          </Button>
        </Group>
      </Group>
      {reviewing && (
        <Review
          text={text}
          revision={from.revision}
          close={() => {
            setReviewing(false);
            handle.current?.check();
          }}
          done={done}
          conflict={() => invalidate('/api/v1/objects')}
        />
      )}
      <LeaveGuard dirty={() => current.current !== base.current} what={`What you changed in ${label} is not saved.`} />
    </Stack>
  );
}
