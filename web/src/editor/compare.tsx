import { Group, Text, useComputedColorScheme } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { MergeView, unifiedMergeView } from '@codemirror/merge';
import { EditorState } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { useEffect, useRef } from 'react';
import classes from './editor.module.css';
import { look, readOnly } from './extensions';

/** Two texts and what differs: side by side where there is room, one below the other on a phone. */
export function Compare({ before, after, names }: { before: string; after: string; names: [string, string] }) {
  const host = useRef<HTMLDivElement>(null);
  const wide = useMediaQuery('(min-width: 62em)') ?? true;
  const isDark = useComputedColorScheme('light') === 'dark';
  const [left, right] = names;
  useEffect(() => {
    const parent = host.current as HTMLDivElement;
    const collapseUnchanged = { margin: 3, minSize: 6 };
    const side = (label: string) => [look(isDark), readOnly(label)];
    const made = wide
      ? new MergeView({
          parent,
          a: { doc: before, extensions: side(left) },
          b: { doc: after, extensions: side(right) },
          collapseUnchanged,
          gutter: true,
        })
      : new EditorView({
          parent,
          state: EditorState.create({
            doc: after,
            extensions: [
              side(`${left} to ${right}`),
              unifiedMergeView({ original: before, mergeControls: false, gutter: true, collapseUnchanged }),
            ],
          }),
        });
    return () => made.destroy();
  }, [before, after, left, right, wide, isDark]);
  if (before === after)
    return (
      <Text size="sm">
        Nothing differs between {left} and {right}.
      </Text>
    );
  return (
    <div>
      {wide ? (
        <div className={classes.heads}>
          <Text size="sm" fw={600}>
            {left}
          </Text>
          <Text size="sm" fw={600}>
            {right}
          </Text>
        </div>
      ) : (
        <Group gap="xs">
          <Text size="sm">
            <del>{left}</del> <ins>{right}</ins>
          </Text>
        </Group>
      )}
      <div ref={host} className={classes.compare} role="group" aria-label={`What differs between ${left} and ${right}`} />
    </div>
  );
}
