import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  type CompletionContext,
  type CompletionResult,
  completionKeymap,
} from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { yaml } from '@codemirror/lang-yaml';
import { bracketMatching, foldGutter, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from '@codemirror/language';
import { type Diagnostic, linter, lintGutter, lintKeymap } from '@codemirror/lint';
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search';
import { EditorState, type Extension } from '@codemirror/state';
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  hoverTooltip,
  keymap,
  lineNumbers,
} from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { nonce } from '~/lib/base';
import { spotAt } from './cursor';
import { pathOf } from './places';
import { describe, keysAt, type Schema, valuesAt } from './schema';

const light = HighlightStyle.define(
  [
    { tag: [tags.definition(tags.propertyName), tags.propertyName], color: '#3730a3', fontWeight: '600' },
    { tag: [tags.string, tags.special(tags.string), tags.content], color: '#1f2937' },
    { tag: [tags.number, tags.bool, tags.null, tags.atom, tags.keyword], color: '#92400e' },
    { tag: [tags.comment, tags.lineComment], color: '#5c6370', fontStyle: 'italic' },
    { tag: [tags.punctuation, tags.separator, tags.squareBracket, tags.brace, tags.meta], color: '#4b5563' },
  ],
  { themeType: 'light' },
);
const dark = HighlightStyle.define(
  [
    { tag: [tags.definition(tags.propertyName), tags.propertyName], color: '#a5b4fc', fontWeight: '600' },
    { tag: [tags.string, tags.special(tags.string), tags.content], color: '#e5e7eb' },
    { tag: [tags.number, tags.bool, tags.null, tags.atom, tags.keyword], color: '#fbbf24' },
    { tag: [tags.comment, tags.lineComment], color: '#a6adb8', fontStyle: 'italic' },
    { tag: [tags.punctuation, tags.separator, tags.squareBracket, tags.brace, tags.meta], color: '#9ca3af' },
  ],
  { themeType: 'dark' },
);

/** How text looks, in the colours of the console. Shared by the editor and the comparison. */
export const look = (isDark: boolean): Extension => [
  nonce === '' ? [] : EditorView.cspNonce.of(nonce),
  syntaxHighlighting(isDark ? dark : light),
  EditorView.theme(
    {
      '&': { fontSize: '13px', backgroundColor: 'var(--mantine-color-body)', color: 'var(--mantine-color-text)' },
      '&.cm-focused': { outline: '2px solid var(--mantine-primary-color-filled)', outlineOffset: '-1px' },
      '.cm-scroller': { fontFamily: 'var(--mantine-font-family-monospace)', lineHeight: '1.55' },
      '.cm-content': { caretColor: 'var(--mantine-color-text)' },
      '.cm-cursor': { borderLeftColor: 'var(--mantine-color-text)' },
      '.cm-gutters': {
        backgroundColor: 'transparent',
        color: 'var(--mantine-color-dimmed)',
        borderRight: '1px solid var(--mantine-color-default-border)',
      },
      '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: isDark ? '#ffffff0d' : '#0000000a' },
      '.cm-tooltip': {
        backgroundColor: 'var(--mantine-color-body)',
        color: 'var(--mantine-color-text)',
        border: '1px solid var(--mantine-color-default-border)',
        borderRadius: '8px',
        maxWidth: 'min(460px, 90vw)',
      },
      '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--mantine-primary-color-filled)', color: '#fff' },
      '.cm-completionDetail': { fontStyle: 'normal', opacity: '0.85' },
      '.synod-doc': { padding: '6px 10px', fontFamily: 'var(--mantine-font-family)', fontSize: '13px' },
      '.synod-doc-type': { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: '12px', color: 'var(--mantine-color-dimmed)' },
      '.cm-panels': { backgroundColor: 'var(--mantine-color-body)', color: 'var(--mantine-color-text)' },
      '.cm-changedText': { background: isDark ? '#2f9e4455 !important' : '#2b8a3e33 !important' },
      '.cm-deletedText, .cm-deletedChunk .cm-deletedText': { background: isDark ? '#e0313155 !important' : '#c92a2a33 !important' },
      '.cm-collapsedLines': { background: 'var(--mantine-color-default-hover)', color: 'var(--mantine-color-text)', padding: '4px 8px' },
    },
    { dark: isDark },
  ),
];

/** Suggests keys and values by the schema. */
function suggestions(schema: Schema, context: CompletionContext): CompletionResult | null {
  const spot = spotAt(context.state.doc.toString(), context.pos);
  if (!spot || (!context.explicit && spot.from === context.pos && spot.writing === 'value')) return null;
  if (!context.explicit && spot.from === context.pos) return null;
  if (spot.writing === 'value') {
    const values = valuesAt(schema, spot.path);
    return values.length === 0
      ? null
      : { from: spot.from, options: values.map((label) => ({ label, type: 'enum' })), validFor: /^[\w.-]*$/ };
  }
  const keys = keysAt(schema, spot.path, spot.present);
  if (keys.length === 0) return null;
  return {
    from: spot.from,
    options: keys.map((key) => ({
      label: key.label,
      apply: `${key.label}: `,
      detail: key.required ? `${key.detail} (needed)` : key.detail,
      info: key.info === '' ? undefined : key.info,
      type: 'property',
      boost: key.required ? 1 : 0,
    })),
    validFor: /^[\w.-]*$/,
  };
}

/** Shows what the schema says about the key below the pointer. */
const docs = (schema: () => Schema | undefined): Extension =>
  hoverTooltip((view, pos) => {
    const root = schema();
    const path = root && pathOf(view.state.doc.toString(), pos);
    const about = root && path && path.length > 0 ? describe(root, path) : undefined;
    if (!about) return null;
    return {
      pos,
      create: () => {
        const dom = document.createElement('div');
        dom.className = 'synod-doc';
        const words = document.createElement('div');
        words.textContent = about.description;
        const type = document.createElement('div');
        type.className = 'synod-doc-type';
        type.textContent = `${path?.filter((part) => part !== '#').join('.') ?? ''}${about.type === '' ? '' : `: ${about.type}`}`;
        dom.append(words, type);
        return { dom };
      },
    };
  });

/** Everything an editor of YAML needs; `check` tells what is wrong with a text. */
export function yamlEditor(options: {
  label: string;
  describedBy?: string;
  schema: () => Schema | undefined;
  check: (text: string) => Promise<Diagnostic[]>;
  changed: (text: string) => void;
  save: () => void;
}): Extension {
  return [
    lineNumbers(),
    foldGutter(),
    lintGutter(),
    history(),
    drawSelection(),
    indentOnInput(),
    indentUnit.of('  '),
    EditorState.tabSize.of(2),
    bracketMatching(),
    closeBrackets(),
    highlightActiveLine(),
    highlightActiveLineGutter(),
    highlightSelectionMatches(),
    EditorView.lineWrapping,
    yaml(),
    autocompletion({
      override: [
        (context) => {
          const schema = options.schema();
          return schema ? suggestions(schema, context) : null;
        },
      ],
    }),
    docs(options.schema),
    linter((view) => options.check(view.state.doc.toString()), { delay: 500 }),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) options.changed(update.state.doc.toString());
    }),
    EditorView.contentAttributes.of({
      'aria-label': options.label,
      tabindex: '0',
      ...(options.describedBy ? { 'aria-describedby': options.describedBy } : {}),
    }),
    keymap.of([
      { key: 'Mod-s', preventDefault: true, run: () => (options.save(), true) },
      ...closeBracketsKeymap,
      ...defaultKeymap,
      ...searchKeymap,
      ...historyKeymap,
      ...completionKeymap,
      ...lintKeymap,
    ]),
  ];
}

/** For a text that is only read. */
export const readOnly = (label: string): Extension => [
  EditorState.readOnly.of(true),
  EditorView.editable.of(false),
  EditorView.lineWrapping,
  lineNumbers(),
  yaml(),
  EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0' }),
];
