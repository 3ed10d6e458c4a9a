import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions } from '@playwright/test';
import { Fresh } from './fresh';
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
  const document = (name: string, spec: object) => ({
    apiVersion: 'synod/v1',
    kind: 'Template',
    metadata: { namespace: 'shop', name },
    spec,
  });
  const rules = { rules: [{ count: 1, from: { role: 'approver' } }] };
  await demo.must('alice', 'POST', '/api/v1/apply', {
    documents: [
      document('take-turns', {
        title: 'Take turns',
        description: 'Clears the cache of one server, and waits for a look before the others.',
        targets: { selector: 'role=web' },
        approval: rules,
        strategy: { type: 'rolling', size: 1, gate: 'manual' },
        steps: [{ name: 'clear', run: 'echo cleared' }],
      }),
      document('check-health', {
        title: 'Check the health',
        description: 'Asks each server how it is, and stops at the first that is not well.',
        targets: { selector: 'role=web' },
        approval: rules,
        strategy: { type: 'rolling', size: 1 },
        steps: [{ name: 'ask', run: 'echo degraded; exit 3', expect: { stdout: { matches: 'healthy' }, onMismatch: 'fail' } }],
      }),
    ],
  });
  const ask = async (template: string, inputs: object, reason: string): Promise<string> => {
    const body = { namespace: 'shop', template, inputs, target: 'role=web', reason };
    const { id } = await demo.must<{ id: string }>('dave', 'POST', '/api/v1/runs', body);
    await sign(id, 'bob');
    return id;
  };
  const read = (id: string) => demo.must<{ phase: string; atGate?: boolean }>('alice', 'GET', `/api/v1/runs/${id}`);
  const gate = await ask('take-turns', {}, 'the cache holds old prices');
  const failed = await ask('check-health', {}, 'customers tell of errors');
  await expect.poll(async () => (await read(gate)).atGate).toBe(true);
  await expect.poll(async () => (await read(failed)).phase).toBe('failed');
  // Long enough to be seen running in every picture.
  const running = await ask('count-slowly', { to: 1000 }, 'to be watched');
  const [node] = demo.nodes;
  return [
    ['inbox', '/'],
    ['catalogue', '/catalogue'],
    ['request', '/catalogue/shop/restart-service'],
    ['runs', '/runs'],
    ['run-done', `/runs/${done}`],
    ['run-waiting', `/runs/${waiting}`],
    ['run-gate', `/runs/${gate}`],
    ['run-failed', `/runs/${failed}`],
    ['run-failed-node', `/runs/${failed}?tab=nodes&task=0`],
    ['run-running', `/runs/${running}`],
    ['run-output', `/runs/${running}?tab=output`],
    ['run-timeline', `/runs/${failed}?tab=timeline`],
    ['run-manifest', `/runs/${failed}?tab=manifest`],
    ['compare', `/runs/${waiting}/compare/${done}`],
    ['compare-outcomes', `/runs/${done}/compare/${failed}`],
    ['nodes', '/nodes'],
    ['node', `/nodes/${node}`],
    ['overview', '/overview'],
    ['history', '/history'],
    ['events', '/events'],
    ['audit', '/audit'],
    ['access-people', '/access'],
    ['access-groups', '/access?tab=groups'],
    ['access-roles', '/access?tab=roles'],
    ['access-namespaces', '/access?tab=namespaces'],
    ['access-policies', '/access?tab=policies'],
    ['access-matrix', '/access?tab=matrix'],
    ['trust', '/trust'],
    ['trust-people', '/trust?tab=people'],
    ['trust-rules', '/trust?tab=rules'],
    ['trust-versions', '/trust?tab=history'],
    ['trust-next', '/trust?tab=next'],
    ['templates', '/templates'],
    ['template', '/templates/shop/restart-service'],
    ['api', '/api'],
    ['me', '/me'],
    ['me-sign-in', '/me?tab=sign-in'],
    ['me-keys', '/me?tab=keys'],
    ['me-sessions', '/me?tab=sessions'],
    ['me-appearance', '/me?tab=appearance'],
  ];
}

/** A picture of a whole page. What sticks to the lower edge of the window would lie across it: it takes its place on the page instead. */
async function wholePage(page: Page, path: string): Promise<void> {
  await page.evaluate(() => {
    for (const one of document.querySelectorAll<HTMLElement>('body *')) {
      const { position, bottom } = getComputedStyle(one);
      const footer = one.classList.contains('mantine-AppShell-footer');
      if (footer || (position === 'sticky' && bottom !== 'auto')) one.style.setProperty('position', 'static', 'important');
      // The room that was kept for it.
      if (one.id === 'main') one.style.setProperty('padding-bottom', 'var(--app-shell-padding)', 'important');
    }
  });
  await page.screenshot({ path, fullPage: true });
}

async function picture(page: Page, folder: string, [name, path]: Screen): Promise<void> {
  await page.goto(path);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await expect(page.getByRole('status').filter({ hasText: 'Loading' })).toHaveCount(0);
  // Pictures and plots settle.
  await page.waitForTimeout(600);
  const file = join(folder, `${name}.png`);
  // One as it is on a screen.
  await (name === 'run-done' ? page.screenshot({ path: file }) : wholePage(page, file));
}

function seenOn(size: string, viewport: { width: number; height: number }, colorScheme: (typeof THEMES)[number]): BrowserContextOptions {
  return { viewport, colorScheme, isMobile: size === 'phone', hasTouch: size === 'phone' };
}

async function tour(browser: Browser, demo: Demo, screens: Screen[], folder: string, options: BrowserContextOptions): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const context = await browser.newContext({ ...options, baseURL: demo.url, ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await page.goto('/sign-in');
  await expect(page.getByRole('button', { name: 'Sign in', exact: true })).toBeVisible();
  await page.screenshot({ path: join(folder, 'sign-in.png') });
  await signIn(page, demo, 'bob');
  await picture(page, folder, ['inbox-bob', '/']);
  // What one sees before one signs, as far as the window goes.
  await page.getByRole('article').first().getByRole('button', { name: 'Approve' }).click();
  await expect(page.getByRole('dialog').getByRole('button', { name: 'Approve' }).first()).toBeVisible();
  await page.waitForTimeout(600);
  await page.screenshot({ path: join(folder, 'decide.png') });
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
      await tour(browser, demo, chosen, join(FOLDER, `${size}-${theme}`), seenOn(size, viewport, theme));
    }
  }
});

test('pictures of a server that nobody has set up yet', async ({ browser }) => {
  const fresh = await Fresh.start();
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const theme of THEMES) {
      const context = await browser.newContext({ ...seenOn(size, viewport, theme), ignoreHTTPSErrors: true });
      const page = await context.newPage();
      await page.goto(fresh.url);
      await expect(page.getByRole('heading', { level: 1, name: 'Set up Synod' })).toBeVisible();
      await wholePage(page, join(FOLDER, `${size}-${theme}`, 'setup.png'));
      await context.close();
    }
  }
  await fresh.stop();
});
