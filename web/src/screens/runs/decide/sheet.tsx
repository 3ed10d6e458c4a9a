import { Drawer, Modal } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import type { ReactNode } from 'react';

/** A question: from below on a phone, in the middle elsewhere. */
export function Sheet({
  opened,
  close,
  title,
  wide = false,
  children,
}: {
  opened: boolean;
  close: () => void;
  title: string;
  wide?: boolean;
  children: ReactNode;
}) {
  const phone = useMediaQuery('(max-width: 48em)');
  const button = { closeButtonProps: { 'aria-label': 'Close', size: 36 } } as const;
  if (phone) {
    return (
      <Drawer
        opened={opened}
        onClose={close}
        title={title}
        position="bottom"
        size="auto"
        styles={{ content: { height: 'auto', maxHeight: '92dvh', borderRadius: '16px 16px 0 0' } }}
        {...button}
      >
        {children}
      </Drawer>
    );
  }
  return (
    <Modal opened={opened} onClose={close} title={title} size={wide ? 'xl' : 'lg'} {...button}>
      {children}
    </Modal>
  );
}
