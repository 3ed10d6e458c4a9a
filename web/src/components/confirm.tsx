import { Button, Group, Modal, Stack } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { ProblemView } from './problem';

/** Asks before something that cannot be undone; `what` is on the button and says exactly what will happen. */
export function Confirm(props: {
  opened: boolean;
  close: () => void;
  title: string;
  what: string;
  children: ReactNode;
  color?: string;
  disabled?: boolean;
  act: () => Promise<unknown>;
}) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const act = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await props.act();
      props.close();
    } catch (cause) {
      setError(cause);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened={props.opened} onClose={props.close} title={props.title} closeButtonProps={{ 'aria-label': 'Close' }}>
      <Stack>
        {props.children}
        {error !== undefined && <ProblemView error={error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={props.close}>
            Back
          </Button>
          <Button color={props.color ?? 'red'} loading={busy} disabled={props.disabled ?? false} onClick={() => void act()}>
            {props.what}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
