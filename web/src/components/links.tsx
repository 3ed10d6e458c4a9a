import { Anchor, type AnchorProps, Button, type ButtonProps } from '@mantine/core';
import { createLink } from '@tanstack/react-router';
import type { ComponentPropsWithRef } from 'react';

type A = Omit<ComponentPropsWithRef<'a'>, 'style' | 'color'>;

function PlainAnchor(props: AnchorProps & A) {
  return <Anchor {...props} />;
}

function PlainButton(props: ButtonProps & A) {
  return <Button component="a" {...props} />;
}

/** A link of the console that looks like a link; takes `to`, `params` and `search`. */
export const AnchorLink = createLink(PlainAnchor);

/** A link of the console that looks like a button. */
export const ButtonLink = createLink(PlainButton);
