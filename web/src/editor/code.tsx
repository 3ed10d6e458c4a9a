import { useComputedColorScheme } from '@mantine/core';
import type { Diagnostic } from '@codemirror/lint';
import { forceLinting } from '@codemirror/lint';
import { Compartment, EditorState } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { type RefObject, useEffect, useImperativeHandle, useRef } from 'react';
import classes from './editor.module.css';
import { look, readOnly, yamlEditor } from './extensions';
import type { Schema } from './schema';

/** What can be done with an editor from outside. */
export interface Handle {
  /** Puts another text in its place; can be undone. */
  replace: (text: string) => void;
  /** Goes to a place. */
  goTo: (from: number, to: number) => void;
  /** Checks at once. */
  check: () => void;
}

/** An editor of YAML. It owns its text and tells of changes. */
export function CodeEditor(props: {
  label: string;
  describedBy?: string;
  initial: string;
  schema: Schema | undefined;
  check: (text: string) => Promise<Diagnostic[]>;
  changed: (text: string) => void;
  save: () => void;
  handle?: RefObject<Handle | null>;
}) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(undefined);
  const colours = useRef(new Compartment());
  const latest = useRef(props);
  const isDark = useComputedColorScheme('light') === 'dark';
  useEffect(() => {
    latest.current = props;
  });
  useEffect(() => {
    const { initial, label, describedBy } = latest.current;
    const made = new EditorView({
      parent: host.current as HTMLDivElement,
      state: EditorState.create({
        doc: initial,
        extensions: [
          colours.current.of(look(isDark)),
          yamlEditor({
            label,
            ...(describedBy ? { describedBy } : {}),
            schema: () => latest.current.schema,
            check: (text) => latest.current.check(text),
            changed: (text) => latest.current.changed(text),
            save: () => latest.current.save(),
          }),
        ],
      }),
    });
    view.current = made;
    return () => made.destroy();
    // It is made once; what changes reaches it by `latest` and by the compartment.
  }, []);
  useEffect(() => view.current?.dispatch({ effects: colours.current.reconfigure(look(isDark)) }), [isDark]);
  useImperativeHandle(props.handle, () => ({
    replace: (text) => view.current?.dispatch({ changes: { from: 0, to: view.current.state.doc.length, insert: text } }),
    goTo: (from, to) => {
      view.current?.dispatch({ selection: { anchor: from, head: to }, scrollIntoView: true });
      view.current?.focus();
    },
    check: () => view.current && forceLinting(view.current),
  }));
  return <div ref={host} className={classes.editor} />;
}

/** A text to read, with the same colours. */
export function CodeView({ label, text }: { label: string; text: string }) {
  const host = useRef<HTMLDivElement>(null);
  const isDark = useComputedColorScheme('light') === 'dark';
  useEffect(() => {
    const view = new EditorView({
      parent: host.current as HTMLDivElement,
      state: EditorState.create({ doc: text, extensions: [look(isDark), readOnly(label)] }),
    });
    return () => view.destroy();
  }, [text, label, isDark]);
  return <div ref={host} className={classes.editor} />;
}
