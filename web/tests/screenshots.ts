import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions } from '@playwright/test';
import { expect, requestRestart, signIn, test, type Demo, type Page } from './harness';

/** Where the pictures go: SIZE-THEME/SCREEN.png. */
const FOLDER = fileURLToPath(new URL('../screenshots', import.meta.url));
const SIZES = { phone: { width: 390, height: 844 }, desk: { width: 1440, height: 900 } } as const;
const THEMES = ['light', 'dark'] as const;

/** A name for the picture and where the screen is. */
type Screen = [name: string, path: string];

/** Something of everything: a run that ended well, one that runs up to its gate, one that failed, some that wait. */
async function furnish(demo: Demo): Promise<Screen[]> {
  const sign = async (run: string, user: string) =>
    demo.cli(['approve', run, '--comment', 'go ahead', '--yes', '--key', demo.user(user).key ?? ''], user);
  const done = await requestRestart(demo);
  await sign(done, 'bob');
  await sign(done, 'carol');
  await expect.poll(async () => (await demo.must<{ phase: string }>('alice', 'GET', `/api/v1/runs/${done}`)).phase).toBe('succeeded');
  const rejected = await requestRestart(demo, 'env=staging', 'try the new grace period');
  await demo.cli(['reject', rejected, '--comment', 'not on a Friday', '--key', demo.user('bob').key ?? ''], 'bob');
  const waiting = await requestRestart(demo, 'role=web', 'memory grows since the last release');
  await requestRestart(demo, 'env=prod', 'the queue stands still');
  const [node] = demo.nodes;
  return [
    ['inbox', '/'],
    ['catalogue', '/catalogue'],
    ['request', '/catalogue/shop/restart-service'],
    ['runs', '/runs'],
    ['run-done', `/runs/${done}`],
    ['run-waiting', `/runs/${waiting}`],
    ['compare', `/runs/${waiting}/compare/${done}`],
    ['nodes', '/nodes'],
    ['node', `/nodes/${node}`],
    ['overview', '/overview'],
    ['history', '/history'],
    ['events', '/events'],
    ['audit', '/audit'],
    ['access-people', '/access'],
    ['access-groups', '/access?tab=groups'],
    ['access-roles', '/access?tab=roles'],
    ['access-policies', '/access?tab=policies'],
    ['access-matrix', '/access?tab=matrix'],
    ['trust', '/trust'],
    ['templates', '/templates'],
    ['template', '/templates/shop/restart-service'],
    ['api', '/api'],
    ['me', '/me'],
  ];
}

async function picture(page: Page, folder: string, [name, path]: Screen): Promise<void> {
  await page.goto(path);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await expect(page.getByRole('status').filter({ hasText: 'Loading' })).toHaveCount(0);
  // Pictures and plots settle.
  await page.waitForTimeout(600);
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: name !== 'run-done' });
}

async function tour(browser: Browser, demo: Demo, screens: Screen[], folder: string, options: BrowserContextOptions): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const context = await browser.newContext({ ...options, baseURL: demo.url, ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await page.goto('/sign-in');
  await expect(page.getByRole('button', { name: 'Sign in', exact: true })).toBeVisible();
  await page.screenshot({ path: join(folder, 'sign-in.png') });
  await signIn(page, demo, 'bob');
  await page.waitForTimeout(600);
  await page.screenshot({ path: join(folder, 'inbox-bob.png'), fullPage: true });
  await context.clearCookies();
  await signIn(page, demo, 'alice');
  for (const screen of screens) await picture(page, folder, screen);
  await context.close();
}

test('pictures of every screen', async ({ browser, demo }) => {
  const screens = await furnish(demo);
  const only = process.env['SCREENS']?.split(',');
  const chosen = only ? screens.filter(([name]) => only.includes(name)) : screens;
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const theme of THEMES) {
      await tour(browser, demo, chosen, join(FOLDER, `${size}-${theme}`), {
        viewport,
        colorScheme: theme,
        isMobile: size === 'phone',
        hasTouch: size === 'phone',
      });
    }
  }
});
