import { Button, Group, Kbd } from '@mantine/core';
import { IconHandStop, IconThumbUp } from '@tabler/icons-react';
import { useEffect, useRef, useState } from 'react';
import type { Run } from '../logic/types';
import classes from './bar.module.css';
import { type Asked, DecideSheet } from './decide';

/** Approve and reject, large enough for a thumb. */
export function DecideButtons({ ask, hint = false }: { ask: (asked: Asked) => void; hint?: boolean }) {
  return (
    <Group grow gap="sm" preventGrowOverflow={false} wrap="nowrap">
      <Button size="lg" variant="default" leftSection={<IconHandStop size={20} aria-hidden />} onClick={() => ask('reject')}>
        Reject
      </Button>
      <Button
        size="lg"
        color="teal.9"
        leftSection={<IconThumbUp size={20} aria-hidden />}
        rightSection={
          hint ? (
            <Kbd visibleFrom="sm" size="xs">
              a
            </Kbd>
          ) : undefined
        }
        onClick={() => ask('approve')}
      >
        Approve
      </Button>
    </Group>
  );
}

/** The same at the bottom of a run's page, where `a` asks to approve. */
export function DecideBar({ run }: { run: Run }) {
  const [asked, setAsked] = useState<Asked>();
  useApproveKey(() => setAsked('approve'));
  return (
    <>
      <div className={classes.bar}>
        <DecideButtons ask={setAsked} hint />
      </div>
      <DecideSheet run={run} asked={asked} close={() => setAsked(undefined)} />
    </>
  );
}

/** Whether a key was meant for what is shown, not for a field or a dialog. */
export function meantForPage(event: {
  key: string;
  target: EventTarget | null;
  metaKey: boolean;
  ctrlKey: boolean;
  altKey: boolean;
}): boolean {
  if (event.metaKey || event.ctrlKey || event.altKey || !(event.target instanceof HTMLElement)) return false;
  return !event.target.isContentEditable && event.target.closest('input, textarea, select, [role="dialog"], [role="menu"]') === null;
}

/** Calls `approve` when `a` is pressed, unless it was the second half of another shortcut. */
export function useApproveKey(approve: () => void): void {
  const latest = useRef(approve);
  useEffect(() => {
    latest.current = approve;
  });
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.key !== 'a' || !meantForPage(event) || document.querySelector('[role="dialog"]') !== null) return;
      // The shortcuts of the frame come later and say so.
      window.setTimeout(() => event.defaultPrevented || latest.current());
    };
    window.addEventListener('keydown', pressed);
    return () => window.removeEventListener('keydown', pressed);
  }, []);
}
