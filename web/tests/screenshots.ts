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

/** A name for the picture, where the screen is, and what one does there first. */
type Screen = [name: string, path: string, act?: (page: Page) => Promise<void>];

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
  const request = `/catalogue/shop/restart-service?inputs=${encodeURIComponent('{"service":"web"}')}&reason=stuck+workers`;
  return [
    ['inbox', '/'],
    ['catalogue', '/catalogue'],
    ['request', '/catalogue/shop/restart-service'],
    ['request-filled', request, planned],
    [
      'request-review',
      request,
      async (page) => {
        await planned(page);
        await page.getByRole('button', { name: 'Review' }).click();
        await expect(page.getByRole('heading', { name: 'Look it over' })).toBeVisible();
      },
    ],
    ['runs', '/runs'],
    ['runs-none', '/runs?find=nothing+has+these+words'],
    ['run-done', `/runs/${done}`],
    ['run-waiting', `/runs/${waiting}`],
    ['run-gate', `/runs/${gate}`],
    ['run-failed', `/runs/${failed}`],
    ['run-failed-node', `/runs/${failed}?tab=nodes&task=0`],
    ['run-grid', `/runs/${failed}?tab=nodes&view=grid`],
    ['run-rejected', `/runs/${rejected}`],
    ['run-running', `/runs/${running}`],
    ['run-cancel', `/runs/${running}`, pressed('Cancel')],
    ['run-proceed', `/runs/${gate}`, pressed('Let it go on')],
    ['run-replay', `/runs/${done}`, pressed('Replay')],
    ['run-reject', `/runs/${waiting}`, pressed('Reject')],
    ['run-output', `/runs/${running}?tab=output`],
    ['run-timeline', `/runs/${failed}?tab=timeline`],
    ['run-timeline-nodes', `/runs/${failed}?tab=timeline`, async (page) => page.getByLabel('Events of the nodes too').click()],
    ['run-manifest', `/runs/${failed}?tab=manifest`],
    ['run-manifest-raw', `/runs/${failed}?tab=manifest`, async (page) => page.getByText('As it is', { exact: true }).click()],
    ['compare', `/runs/${waiting}/compare/${done}`],
    ['compare-outcomes', `/runs/${done}/compare/${failed}`],
    ['nodes', '/nodes'],
    ['nodes-none', '/nodes?q=nothing-is-called-so'],
    ['join', '/nodes', pressed('Join a node')],
    [
      'joined',
      '/nodes',
      async (page) => {
        await pressed('Join a node')(page);
        await pressed('Make the join token')(page);
        await expect(page.getByText('is not shown again')).toBeVisible();
      },
    ],
    ['node', `/nodes/${node}`],
    ['node-labels', `/nodes/${node}`, pressed('Change the labels')],
    ['node-remove', `/nodes/${node}`, pressed('Remove')],
    ['overview', '/overview'],
    [
      'overview-tables',
      '/overview',
      async (page) => {
        for (const table of await page.getByText('Table', { exact: true }).all()) await table.click();
      },
    ],
    ['history', '/history'],
    ['events', '/events?run=' + failed],
    [
      'event',
      '/events?run=' + failed,
      async (page) => page.getByRole('button', { expanded: false }).filter({ hasText: 'task.ended' }).first().click(),
    ],
    ['audit', '/audit'],
    ['audit-proof', '/audit?position=3'],
    ['access-people', '/access'],
    ['access-person', '/access?person=alice'],
    ['access-account', '/access', pressed('Add an account')],
    ['access-groups', '/access?tab=groups'],
    ['access-group', '/access?tab=groups', pressed('New group')],
    ['access-roles', '/access?tab=roles'],
    ['access-role', '/access?tab=roles&give=new'],
    ['access-namespaces', '/access?tab=namespaces'],
    ['access-namespace', '/access?tab=namespaces', pressed('New namespace')],
    ['access-policies', '/access?tab=policies'],
    ['access-policy', '/access?tab=policies', pressed('New policy')],
    ['access-matrix', '/access?tab=matrix'],
    ['access-why', '/access?tab=matrix', async (page) => page.getByRole('button', { name: /^Why alice may this in shop/ }).click()],
    ['trust', '/trust'],
    ['trust-people', '/trust?tab=people'],
    ['trust-rules', '/trust?tab=rules'],
    ['trust-versions', '/trust?tab=history'],
    ['trust-next', '/trust?tab=next'],
    ['templates', '/templates'],
    ['template', '/templates/shop/restart-service'],
    ['template-history', '/templates/shop/restart-service?tab=history'],
    ['template-new', '/templates?new=1'],
    ['api', '/api?q=nodes'],
    ['api-operation', '/api?operation=run_create'],
    ['me', '/me'],
    ['me-sign-in', '/me?tab=sign-in'],
    ['me-authenticator', '/me?tab=sign-in', pressed('Enrol an authenticator')],
    ['me-keys', '/me?tab=keys'],
    ['me-ssh-key', '/me?tab=keys', pressed('Add an SSH key')],
    ['me-api-key', '/me?tab=keys', pressed('Make an API key')],
    ['me-sessions', '/me?tab=sessions'],
    ['me-appearance', '/me?tab=appearance'],
    ['not-found', '/nobody-lives-here'],
    ['gone', '/runs/0000000000'],
  ];
}

/** What there is on a phone only. */
const PHONE: Screen[] = [
  ['more', '/', pressed('More')],
  ['runs-filters', '/runs', pressed('Filters')],
  ['history-filters', '/history', pressed('Filters')],
  ['events-filters', '/events', pressed('Filters')],
];

/** And where there are keys. */
const DESK: Screen[] = [['keys', '/', async (page) => page.keyboard.press('?')]];

/** Presses a button, and waits for what it brings. */
function pressed(name: string): (page: Page) => Promise<void> {
  return async (page) => {
    await page.getByRole('button', { name, exact: true }).first().click();
  };
}

async function planned(page: Page): Promise<void> {
  await expect(page.getByRole('complementary', { name: 'What would happen' })).toContainText('Who must agree');
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
      // It is as high as the window, and would end in the middle of the page.
      if (one.classList.contains('mantine-AppShell-navbar'))
        one.style.setProperty('height', `${document.body.scrollHeight}px`, 'important');
    }
    window.scrollTo(0, 0);
  });
  // The room goes slowly.
  await page.waitForTimeout(300);
  await page.screenshot({ path, fullPage: true });
}

async function picture(page: Page, folder: string, [name, path, act]: Screen): Promise<void> {
  await page.goto(path);
  await expect(page.getByRole('heading', { level: 1 }).or(page.getByRole('alert')).first()).toBeVisible();
  await expect(page.getByRole('status').filter({ hasText: 'Loading' })).toHaveCount(0);
  await act?.(page);
  await expect(page.getByRole('status').filter({ hasText: 'Loading' })).toHaveCount(0);
  // Pictures and plots settle.
  await page.waitForTimeout(600);
  const file = join(folder, `${name}.png`);
  // What lies over a page is seen as it is on a screen, and one page is as well.
  const over = await page.getByRole('dialog').count();
  await (over > 0 || name === 'run-done' ? page.screenshot({ path: file }) : wholePage(page, file));
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
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.waitForTimeout(600);
  await page.screenshot({ path: join(folder, 'sign-in-wrong.png') });
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

/** Every way a page is looked at. */
const WAYS = Object.entries(SIZES).flatMap(([size, viewport]) =>
  THEMES.map((theme) => ({ size, viewport, theme, folder: join(FOLDER, `${size}-${theme}`) })),
);

test('pictures of every screen', async ({ browser, demo }) => {
  const screens = await furnish(demo);
  const only = process.env['SCREENS']?.split(',');
  for (const { size, viewport, theme, folder } of WAYS) {
    const all = [...screens, ...(size === 'phone' ? PHONE : DESK)];
    const chosen = only ? all.filter(([name]) => only.includes(name)) : all;
    await tour(browser, demo, chosen, folder, seenOn(size, viewport, theme));
  }
  if (!only || only.includes('readme')) await readme(browser, demo, screens.find(([name]) => name === 'run-waiting')?.[1] ?? '/runs');
  if (only && !only.includes('trouble')) return;

  // What stands over every screen: a start by break-glass, then a connection that is lost, then a session that ended.
  const about = ['-n', 'shop', '--input', 'service=web', '--target', 'role=web', '--reason', 'the shop is down'];
  await demo.cli(['break-glass', 'restart-service', ...about, '--yes', '--key', demo.user('carol').key ?? ''], 'carol');
  const { items } = await demo.must<{ items: { id: string }[] }>('alice', 'GET', '/api/v1/runs?unratified=true');
  const left: { page: Page; folder: string }[] = [];
  for (const { size, viewport, theme, folder } of WAYS) {
    const context = await browser.newContext({ ...seenOn(size, viewport, theme), baseURL: demo.url, ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await signIn(page, demo, 'alice');
    await picture(page, folder, ['break-glass', `/runs/${items[0]?.id}`]);
    await picture(page, folder, ['break-glass-incident', `/runs/${items[0]?.id}`, pressed('Record an incident')]);
    await page.goto('/runs');
    left.push({ page, folder });
  }
  const down = demo.restart(12_000);
  for (const { page, folder } of left) {
    await expect(page.getByText('The connection is lost.')).toBeVisible();
    await page.screenshot({ path: join(folder, 'connection-lost.png') });
  }
  await down;
  for (const { page, folder } of left) {
    await expect(page.getByText('The connection is lost.')).toHaveCount(0);
    await page.context().clearCookies();
    await page.goto('/sign-in?next=%2Fruns&ended=SYN-2002');
    await page.screenshot({ path: join(folder, 'session-ended.png') });
    await page.context().close();
  }
});

/** Those of the README, as they lie in docs/images: three quarters of a desk's screen, and a phone's. */
async function readme(browser: Browser, demo: Demo, waiting: string): Promise<void> {
  const folder = join(FOLDER, 'readme');
  mkdirSync(folder, { recursive: true });
  const seen = async (name: string, user: string, path: string, options: BrowserContextOptions): Promise<void> => {
    const context = await browser.newContext({ ...options, baseURL: demo.url, ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await signIn(page, demo, user, path);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    await expect(page.getByRole('status').filter({ hasText: 'Loading' })).toHaveCount(0);
    await page.waitForTimeout(1500);
    await page.screenshot({ path: join(folder, `${name}.png`) });
    await context.close();
  };
  await seen('phone', 'bob', '/', seenOn('phone', SIZES.phone, 'light'));
  await seen('run', 'alice', waiting, { ...seenOn('desk', SIZES.desk, 'light'), deviceScaleFactor: 0.75 });
  await seen('overview', 'alice', '/overview', {
    ...seenOn('desk', { width: 1440, height: 1080 }, 'dark'),
    deviceScaleFactor: 0.75,
  });
}

test('pictures of a server that nobody has set up yet', async ({ browser }) => {
  if (process.env['SCREENS'] && !process.env['SCREENS'].includes('setup')) return;
  const fresh = await Fresh.start();
  const context = await browser.newContext({ baseURL: fresh.url, ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const everyWay = async (name: string): Promise<void> => {
    for (const { viewport, theme, folder } of WAYS) {
      mkdirSync(folder, { recursive: true });
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme: theme });
      await page.waitForTimeout(600);
      await wholePage(page, join(folder, `${name}.png`));
    }
  };
  await page.goto('/');
  await expect(page.getByRole('heading', { level: 1, name: 'Set up Synod' })).toBeVisible();
  await everyWay('setup');
  await page.getByLabel('Bootstrap token').fill(fresh.bootstrapToken);
  await page.getByLabel('Your name').fill('ada');
  await page.getByLabel('Password', { exact: true }).fill(fresh.password('ada'));
  await page.getByLabel('Password again').fill(fresh.password('ada'));
  await page.getByRole('button', { name: 'Create the account' }).click();
  await page.getByRole('button', { name: 'Enrol an authenticator' }).click();
  await expect(page.getByRole('img', { name: /QR code/ })).toBeVisible();
  await everyWay('setup-factor');
  await page.getByRole('button', { name: 'Not now' }).click();
  await expect(page.getByRole('heading', { name: 'Join a node' })).toBeVisible();
  await everyWay('setup-next');
  // Nothing is anywhere yet: each screen says what comes first.
  for (const [name, path] of EMPTY) {
    await page.goto(path);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    await expect(page.getByRole('status').filter({ hasText: 'Loading' })).toHaveCount(0);
    await everyWay(`empty-${name}`);
  }
  await context.close();
  await fresh.stop();
});

/** The screens that have nothing to show on a new server. */
const EMPTY: Screen[] = [
  ['inbox', '/'],
  ['catalogue', '/catalogue'],
  ['runs', '/runs'],
  ['nodes', '/nodes'],
  ['overview', '/overview'],
  ['history', '/history'],
  ['groups', '/access?tab=groups'],
  ['namespaces', '/access?tab=namespaces'],
  ['trust', '/trust'],
  ['templates', '/templates'],
  ['template-new', '/templates?new=1'],
];
