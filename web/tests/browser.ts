import type { LaunchOptions } from '@playwright/test';

/** Debian's Chromium, which asks nobody outside for anything. */
export const browser: LaunchOptions = {
  executablePath: process.env['SYNOD_CHROMIUM'] ?? '/usr/bin/chromium',
  args: [
    // A superuser's browser has no sandbox; elsewhere the kernel's is used.
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    '--disable-gpu',
    '--disable-quic',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
};
