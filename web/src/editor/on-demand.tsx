import { VisuallyHidden } from '@mantine/core';
import { lazyRouteComponent } from '@tanstack/react-router';
import { type ComponentProps, Suspense } from 'react';
import { Loading } from '~/components/loading';
import classes from './editor.module.css';

/*
 * What shows texts is heavier than all the rest of a screen, so it comes when one is shown. It is loaded as screens are, so that one that
 * is gone because the server was upgraded meanwhile has the page loaded anew.
 */
const code = () => import('./code');
const Editor = lazyRouteComponent(code, 'CodeEditor');
const View = lazyRouteComponent(code, 'CodeView');
const Comparison = lazyRouteComponent(() => import('./compare'), 'Compare');

/** Has the editor loaded that will be shown, beside whatever else has to come before it. */
export const fetchEditor = (): void => void Editor.preload?.();

/** An editor of YAML, once it is there; until then its text, in the same place. */
export const CodeEditor = (props: ComponentProps<typeof import('./code').CodeEditor>) => (
  <Suspense fallback={<Waiting text={props.initial} />}>
    <Editor {...props} />
  </Suspense>
);

/** A text to read, with the same colours. */
export const CodeView = (props: ComponentProps<typeof import('./code').CodeView>) => (
  <Suspense fallback={<Waiting text={props.text} />}>
    <View {...props} />
  </Suspense>
);

/** Two texts and what differs. */
export const Compare = (props: ComponentProps<typeof import('./compare').Compare>) => (
  <Suspense fallback={<Loading />}>
    <Comparison {...props} />
  </Suspense>
);

function Waiting({ text }: { text: string }) {
  return (
    <div className={classes.editor} role="status">
      <VisuallyHidden>Loading</VisuallyHidden>
      <pre className={classes.waiting} aria-hidden>
        {text}
      </pre>
    </div>
  );
}
