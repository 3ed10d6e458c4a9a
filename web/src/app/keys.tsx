import { Group, Kbd, Modal, SimpleGrid, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { PAGES } from './pages';

/** Whether keys belong to what is being written. */
const writing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** The keys that work everywhere: `g` and a letter goes to a screen, `/` to the search, `?` shows them. */
export function Keys() {
  const navigate = useNavigate();
  const [opened, { open, close }] = useDisclosure(false);
  const went = useRef(0);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.metaKey || event.ctrlKey || event.altKey || writing(event.target)) return;
      // A dialog may hold what is shown only once; its own keys are those of the page no longer.
      if (document.querySelector('[role="dialog"], [role="menu"]') !== null) return;
      const now = Date.now();
      if (now - went.current < 1500) {
        went.current = 0;
        const page = PAGES.find((one) => one.key === event.key);
        if (page) {
          event.preventDefault();
          void navigate({ to: page.to });
        }
        return;
      }
      if (event.key === 'g') went.current = now;
      if (event.key === '?') open();
      if (event.key === '/') {
        const search = document.querySelector<HTMLInputElement>('[data-search]');
        if (search) {
          event.preventDefault();
          search.focus();
        }
      }
    };
    window.addEventListener('keydown', pressed);
    return () => window.removeEventListener('keydown', pressed);
  }, [navigate, open]);
  return (
    <Modal opened={opened} onClose={close} title="Keys" closeButtonProps={{ 'aria-label': 'Close' }}>
      <SimpleGrid cols={2} spacing="xs">
        {PAGES.map((page) => (
          <Group key={page.to} gap="xs">
            <Kbd>g</Kbd>
            <Kbd>{page.key}</Kbd>
            <Text size="sm">{page.label}</Text>
          </Group>
        ))}
        <Group gap="xs">
          <Kbd>/</Kbd>
          <Text size="sm">Search</Text>
        </Group>
        <Group gap="xs" wrap="nowrap" align="flex-start">
          <Kbd>a</Kbd>
          <Text size="sm">Approve the run, or the first in the inbox (asks first)</Text>
        </Group>
      </SimpleGrid>
    </Modal>
  );
}
