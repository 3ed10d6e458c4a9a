import { readFileSync } from 'node:fs';
import { expect, noSerious, type Page, requestRestart, signIn, test, uptime } from './harness';

const events = (page: Page) => page.getByRole('list', { name: 'Events' }).getByRole('listitem');
const wide = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

test('history: filters live in the address, and the downloads hold the same', async ({ page, demo }) => {
  const run = await uptime(demo, 'role=web');
  await signIn(page, demo, 'alice', `/history?run=${run}`);
  const table = page.getByRole('table');
  await expect(table.getByRole('row')).toHaveCount(4);
  await expect(table.getByRole('link', { name: 'web-1' })).toHaveAttribute('href', '/nodes/web-1');
  await noSerious(page);
  await page.getByLabel('Node', { exact: true }).fill('web-2');
  await expect(page).toHaveURL(/node=web-2/);
  await expect(table.getByRole('row')).toHaveCount(2);
  const coming = page.waitForEvent('download');
  await page.getByRole('link', { name: 'CSV' }).click();
  const file = await coming;
  expect(file.suggestedFilename()).toBe('synod-history.csv');
  const rows = readFileSync(await file.path(), 'utf8')
    .trim()
    .split('\r\n');
  expect(rows).toHaveLength(2);
  expect(rows[1]).toContain(`${run},`);
  await table.getByRole('link', { name: run }).click();
  await expect(page).toHaveURL(new RegExp(`/runs/${run}\\?node=web-2`));
});

test('history: nothing fits, a wrong time, and an unknown run are told', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/history?node=nobody');
  await expect(page.getByRole('heading', { name: 'Nothing fits' })).toBeVisible();
  await page.getByRole('button', { name: 'Clear', exact: true }).click();
  await expect(page).toHaveURL(/\/history$/);
  await page.goto('/history?phase=odd');
  await expect(page.getByRole('alert')).toContainText('SYN-');
  await page.getByLabel('From', { exact: true }).fill('2001-02-03T04:05');
  await expect(page).toHaveURL(/since=2001-02-03T04%3A05%3A00.000Z|since=2001-02-03T04:05:00.000Z/);
});

test('events come in live, wait while paused, and are searched', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/events?type=synod.run.*');
  await expect(page.getByRole('status').filter({ hasText: 'Live' })).toBeVisible();
  const first = await requestRestart(demo, 'name=web-1', 'live');
  await expect(events(page).first()).toContainText(`run/${first}`);
  await page.getByRole('button', { name: 'Pause' }).click();
  const second = await requestRestart(demo, 'name=web-2', 'held back');
  await expect(page.getByRole('button', { name: /Go on \(\d+ new\)/ })).toBeVisible();
  await expect(events(page).filter({ hasText: `run/${second}` })).toHaveCount(0);
  await page.getByRole('button', { name: /Go on/ }).click();
  await expect(
    events(page)
      .filter({ hasText: `run/${second}` })
      .first(),
  ).toBeVisible();
  await expect(events(page).filter({ hasText: 'session.started' })).toHaveCount(0);
  await page.getByLabel('Actor', { exact: true }).fill('user:nobody');
  await expect(page).toHaveURL(/actor=user/);
  await expect(page.getByRole('heading', { name: 'No event fits' })).toBeVisible();
  await noSerious(page);
});

test('an event opens to everything about it, and leads to its proof', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/events?subject=template/shop/restart-service');
  const event = events(page).last();
  await event.getByRole('button').first().click();
  await expect(event.getByRole('link', { name: 'template/shop/restart-service' })).toHaveAttribute(
    'href',
    '/templates/shop/restart-service',
  );
  await event.getByRole('button', { name: 'Show the JSON' }).click();
  await expect(event.locator('pre')).toContainText('"specversion": "1.0"');
  await noSerious(page);
  await event.getByRole('link', { name: 'Prove it' }).click();
  await expect(page).toHaveURL(/\/audit\?position=/);
  await expect(page.getByRole('status').filter({ hasText: 'is in the log: checked by your browser' })).toBeVisible();
});

test('who sees one namespace sees its events, and is told why others are not proved', async ({ page, demo }) => {
  await signIn(page, demo, 'erin', '/events');
  await expect(events(page).first()).toBeVisible();
  await expect(events(page).filter({ hasText: 'user.created' })).toHaveCount(0);
  await page.goto('/audit?position=1');
  await expect(page.getByRole('alert')).toContainText('SYN-2100');
  await expect(page.getByText('The signature is that of the log’s key.').first()).toBeVisible();
});

test('the log: the head is checked, remembered, and must grow', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/audit');
  const head = page.getByRole('region', { name: 'The log’s head' });
  await expect(head).toContainText('The signature is that of the log’s key.');
  await expect(head).toContainText('has not seen a head of this log before');
  await noSerious(page);
  await requestRestart(demo, 'name=web-1', 'the log grows');
  await expect
    .poll(async () => {
      await page.reload();
      await expect(head).toContainText(/The log still begins with|It is the head this browser saw last/);
      return head.textContent();
    })
    .toContain('proved from hashes');
});

test('the log: another history than the one seen is called out, and kept until somebody decides', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/audit');
  const head = page.getByRole('region', { name: 'The log’s head' });
  await expect(head).toContainText('The signature is that of the log’s key.');
  await page.evaluate(() => {
    const place = 'synod.audit.head:/';
    const seen = JSON.parse(localStorage.getItem(place) ?? '{}') as { note: string };
    const lines = seen.note.split('\n');
    lines[1] = String(Number(lines[1]) - 1);
    lines[2] = `${'A'.repeat(43)}=`;
    localStorage.setItem(place, JSON.stringify({ ...seen, note: lines.join('\n') }));
  });
  for (let again = 0; again < 2; again++) {
    await page.reload();
    await expect(head.getByRole('alert')).toContainText('The log is not what this browser saw before');
  }
  await noSerious(page);
  await head.getByRole('button', { name: 'Take the new head' }).click();
  await page.getByRole('button', { name: 'Forget the head seen before' }).click();
  await expect(head).toContainText('has not seen a head of this log before');
  await expect(head.getByRole('alert')).toHaveCount(0);
});

test('a proof is checked step by step, and an event that was changed is found out', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/audit');
  await page.getByLabel('Position', { exact: true }).fill('0');
  await page.getByRole('button', { name: 'Prove it' }).click();
  await expect(page.getByLabel('Position', { exact: true })).toHaveAccessibleDescription(/whole number from 1/);
  await page.getByLabel('Position', { exact: true }).fill('5');
  await page.getByRole('button', { name: 'Prove it' }).click();
  await expect(page.getByText('Event 5 is in the log: checked by your browser')).toBeVisible();
  await page.getByText('Show each step').click();
  await expect(page.getByRole('columnheader', { name: 'Results in' })).toBeVisible();
  await noSerious(page);
  const coming = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Download the proof' }).click();
  const proof = JSON.parse(readFileSync(await (await coming).path(), 'utf8')) as { index: number; event: object };
  expect(proof.index).toBe(4);
  await page.route(/\/api\/v1\/audit\/proofs\/5$/, (route) =>
    route.fulfill({ json: { ...proof, event: { ...proof.event, actor: 'user:mallory' } } }),
  );
  await page.reload();
  await expect(page.getByRole('alert').filter({ hasText: 'Event 5 is not proved' })).toBeVisible();
  await expect(page.getByText('What was logged is not what is shown.')).toBeVisible();
  await page.goto('/audit?position=99999999');
  await expect(page.getByRole('alert')).toContainText('SYN-');
});

test('overview: numbers, and each plot as a table too', async ({ page, demo }) => {
  await uptime(demo, 'role=web');
  await requestRestart(demo, 'role=web', 'for the overview');
  await signIn(page, demo, 'alice', '/overview');
  await expect(page.getByRole('main')).toContainText('of 3');
  await expect(page.locator('.recharts-surface').first()).toBeVisible();
  await noSerious(page);
  const runs = page.getByRole('region', { name: 'Runs per day', exact: true });
  await runs.getByText('Table', { exact: true }).click();
  await expect(runs.getByRole('row')).toHaveCount(15);
  await expect(runs.getByRole('columnheader', { name: 'pending' })).toBeVisible();
  await page.getByText('7 days', { exact: true }).click();
  await expect(page).toHaveURL(/days=/);
  await expect(runs.getByRole('row')).toHaveCount(8);
  for (const [title, today] of [
    ['Time to approval per day', /\d+ (m?s|min)/],
    ['Nodes per day', /333$/],
  ] as const) {
    const plot = page.getByRole('region', { name: title, exact: true });
    await expect(plot.locator('.recharts-surface').first()).toBeVisible();
    await plot.getByText('Table', { exact: true }).click();
    await expect(plot.getByRole('row').nth(1)).toHaveText(today);
  }
  await noSerious(page);
  await expect(page.getByRole('region', { name: 'Busiest templates' })).toContainText('shop/restart-service');
});

test('overview: without any runs it says what will be here', async ({ page, demo }) => {
  const days = Array.from({ length: 14 }, (_, n) => ({ day: `2026-11-${String(n + 1).padStart(2, '0')}`, phases: {} }));
  await page.route(/\/api\/v1\/overview/, (route) =>
    route.fulfill({ json: { since: '2026-11-01T00:00:00.000Z', days, templates: [], pending: 0, unratified: 0 } }),
  );
  await signIn(page, demo, 'erin', '/overview');
  await expect(page.getByRole('heading', { name: 'No runs in 14 days' })).toBeVisible();
  await noSerious(page);
});

test.describe('on a phone', () => {
  test.use({ viewport: { width: 390, height: 844 } });
  for (const path of ['/history', '/events', '/audit?position=5', '/overview']) {
    test(`nothing is wider than the screen: ${path}`, async ({ page, demo }) => {
      await uptime(demo, 'role=web');
      await signIn(page, demo, 'alice', path);
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
      const filters = page.getByRole('button', { name: /^Filters/ });
      if (path === '/history' || path === '/events') await filters.click();
      await expect(page.getByRole('status').filter({ hasText: 'Loading' })).toHaveCount(0);
      expect(await wide(page)).toBeLessThanOrEqual(0);
      await noSerious(page);
    });
  }
});
