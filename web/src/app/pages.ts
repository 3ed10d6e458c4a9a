import {
  IconActivity,
  IconChartBar,
  IconCode,
  IconFileText,
  IconHistory,
  IconInbox,
  IconLayoutGrid,
  IconLock,
  IconPlayerPlay,
  IconServer,
  IconShieldCheck,
  IconUser,
  IconUsers,
} from '@tabler/icons-react';

/** A screen that has a place in the navigation. */
export interface Page {
  to: string;
  label: string;
  icon: typeof IconInbox;
  /** Pressed after `g`. */
  key: string;
  /** Whether it stands in the bar at the bottom of a phone. */
  thumb?: boolean;
}

export const GROUPS: { label: string; pages: Page[] }[] = [
  {
    label: 'Work',
    pages: [
      { to: '/', label: 'Inbox', icon: IconInbox, key: 'i', thumb: true },
      { to: '/catalogue', label: 'Catalogue', icon: IconLayoutGrid, key: 'c', thumb: true },
      { to: '/runs', label: 'Runs', icon: IconPlayerPlay, key: 'r', thumb: true },
      { to: '/nodes', label: 'Nodes', icon: IconServer, key: 'n', thumb: true },
    ],
  },
  {
    label: 'Record',
    pages: [
      { to: '/overview', label: 'Overview', icon: IconChartBar, key: 'o' },
      { to: '/history', label: 'History', icon: IconHistory, key: 'h' },
      { to: '/events', label: 'Events', icon: IconActivity, key: 'e' },
      { to: '/audit', label: 'Audit', icon: IconShieldCheck, key: 'u' },
    ],
  },
  {
    label: 'Set up',
    pages: [
      { to: '/templates', label: 'Templates', icon: IconFileText, key: 't' },
      { to: '/access', label: 'Access', icon: IconUsers, key: 'a' },
      { to: '/trust', label: 'Trust', icon: IconLock, key: 's' },
      { to: '/api', label: 'API', icon: IconCode, key: 'p' },
      { to: '/me', label: 'Me', icon: IconUser, key: 'm' },
    ],
  },
];

export const PAGES: Page[] = GROUPS.flatMap((group) => group.pages);
