import { AppShell, Box, Drawer, Group, Indicator, Kbd, Menu, NavLink, ScrollArea, Stack, Text, UnstyledButton } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconDots, IconLogout, IconUser } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useLocation, useNavigate } from '@tanstack/react-router';
import { client } from '~/api/client';
import { href } from '~/lib/base';
import { awaitingOptions } from '~/screens/runs/awaiting';
import { forgetSession, SessionProvider, type WhoAmI } from '~/session/session';
import { Banners } from './banners';
import { Keys } from './keys';
import { Notifier } from './notifier';
import { GROUPS, PAGES, type Page } from './pages';
import classes from './shell.module.css';

/** The frame around every screen of somebody who is signed in. */
export function Shell({ me }: { me: WhoAmI }) {
  return (
    <SessionProvider me={me}>
      <Frame me={me} />
    </SessionProvider>
  );
}

/** How many runs await the caller's decision. */
export function useAwaiting(): number {
  return useQuery(awaitingOptions).data?.length ?? 0;
}

function Frame({ me }: { me: WhoAmI }) {
  const [more, { open, close }] = useDisclosure(false);
  const awaiting = useAwaiting();
  return (
    <AppShell
      header={{ height: 56 }}
      navbar={{ width: 220, breakpoint: 'sm', collapsed: { mobile: true } }}
      footer={{ height: { base: 64, sm: 0 } }}
      padding="md"
    >
      <a href="#main" className={classes.skip}>
        Skip to the content
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Link to="/" className={classes.brand}>
            <img src={href('icon.svg')} width={28} height={28} alt="" />
            <Text fw={700} size="lg">
              Synod
            </Text>
          </Link>
          <Account me={me} />
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" component="nav" aria-label="Screens">
        <ScrollArea type="hover" scrollbarSize={6}>
          <Places awaiting={awaiting} />
        </ScrollArea>
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1}>
        <Banners />
        <Outlet />
      </AppShell.Main>
      <AppShell.Footer hiddenFrom="sm" component="nav" aria-label="Main screens" className={classes.thumbs}>
        {PAGES.filter((page) => page.thumb).map((page) => (
          <Thumb key={page.to} page={page} count={page.to === '/' ? awaiting : 0} />
        ))}
        <UnstyledButton className={classes.thumb} onClick={open} aria-haspopup="dialog">
          <IconDots size={22} aria-hidden />
          <span>More</span>
        </UnstyledButton>
      </AppShell.Footer>
      <Drawer
        opened={more}
        onClose={close}
        title="All screens"
        position="bottom"
        styles={{ content: { height: 'auto', maxHeight: '92dvh' } }}
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        <Places awaiting={awaiting} done={close} />
      </Drawer>
      <Keys />
      <Notifier />
    </AppShell>
  );
}

function Places({ awaiting, done }: { awaiting: number; done?: () => void }) {
  const { pathname } = useLocation();
  return (
    <Stack gap="sm">
      {GROUPS.map((group) => (
        <Box key={group.label}>
          <Text size="xs" c="dimmed" fw={600} px="sm" py={4}>
            {group.label}
          </Text>
          {group.pages.map((page) => (
            <NavLink
              key={page.to}
              component={Link}
              to={page.to}
              label={page.label}
              active={isHere(page.to, pathname)}
              aria-current={isHere(page.to, pathname) ? 'page' : undefined}
              leftSection={<page.icon size={18} stroke={1.7} aria-hidden />}
              rightSection={page.to === '/' && awaiting > 0 ? <span className={classes.count}>{awaiting}</span> : undefined}
              onClick={done}
              className={classes.place ?? ''}
            />
          ))}
        </Box>
      ))}
      <Text size="xs" c="dimmed" px="sm" visibleFrom="sm">
        <Kbd size="xs">?</Kbd> shows the keys
      </Text>
    </Stack>
  );
}

function Thumb({ page, count }: { page: Page; count: number }) {
  const { pathname } = useLocation();
  const here = isHere(page.to, pathname);
  return (
    <Link to={page.to} className={classes.thumb ?? ''} data-active={here || undefined} aria-current={here ? 'page' : undefined}>
      <Indicator label={count} size={16} color="red.8" disabled={count === 0} offset={2}>
        <page.icon size={22} aria-hidden />
      </Indicator>
      <span>{page.label}</span>
    </Link>
  );
}

const isHere = (to: string, pathname: string): boolean =>
  to === '/' ? pathname === '/' : pathname === to || pathname.startsWith(`${to}/`);

function Account({ me }: { me: WhoAmI }) {
  const navigate = useNavigate();
  const leave = async () => {
    await client.POST('/api/v1/auth/logout').catch(() => undefined);
    forgetSession();
    await navigate({ to: '/sign-in', search: {} });
  };
  return (
    <Menu position="bottom-end" width={220}>
      <Menu.Target>
        <UnstyledButton className={classes.account} aria-label={`Account of ${me.user}`}>
          <IconUser size={18} aria-hidden />
          <Text size="sm" truncate maw={140}>
            {me.user}
          </Text>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item component={Link} to="/me" leftSection={<IconUser size={16} aria-hidden />}>
          Me: keys, sessions, theme
        </Menu.Item>
        <Menu.Item leftSection={<IconLogout size={16} aria-hidden />} onClick={() => void leave()}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
