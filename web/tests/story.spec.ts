import type { Browser, BrowserContext } from '@playwright/test';
import { Demo } from './demo';
import { expect, noSerious, type Page, registerPasskey, signIn, takeIntoRoot, testAlone, virtualAuthenticator } from './harness';

/** A demo of this file's own: its trust root is changed, and its server restarted. */
const test = testAlone();

/** A phone in somebody's hand: their session, their authenticator. */
async function phone(browser: Browser, demo: Demo, name: string): Promise<{ page: Page; context: BrowserContext }> {
  const context = await browser.newContext({
    baseURL: demo.url,
    ignoreHTTPSErrors: true,
    viewport: { width: 390, height: 844 },
    isMobile: true,
    hasTouch: true,
  });
  const page = await context.newPage();
  await signIn(page, demo, name);
  await virtualAuthenticator(page);
  return { page, context };
}

async function approveByThumb(page: Page, reason: string): Promise<void> {
  await page.goto('/');
  await page.getByRole('article').filter({ hasText: reason }).getByRole('button', { name: 'Approve' }).tap();
  await page.getByRole('button', { name: 'Sign and approve' }).tap();
  await expect(page.getByText(/You approved/)).toBeVisible();
}

const headline = (page: Page) => page.getByRole('heading', { level: 1, name: 'Restart a service' });

test('one asks, two agree on their phones, the machines check it and run it', async ({ page, browser, demo }) => {
  test.setTimeout(240_000);
  const [bob, carol] = [await phone(browser, demo, 'bob'), await phone(browser, demo, 'carol')];
  await registerPasskey(bob.page);
  await registerPasskey(carol.page);
  await takeIntoRoot(demo, ['bob', 'carol']);

  await signIn(page, demo, 'dave', '/catalogue/shop/restart-service');
  await page.getByLabel('service').first().click();
  await page.getByRole('option', { name: 'web', exact: true }).click();
  await page.getByLabel('Nodes', { exact: true }).fill('role=web');
  await page.getByLabel('Why').fill('memory grows');
  await page.getByRole('button', { name: 'Review' }).click();
  await page.getByRole('button', { name: 'Request on 3 nodes' }).click();
  await expect(headline(page)).toBeVisible();
  await expect(page.getByText('pending').first()).toBeVisible();

  await approveByThumb(bob.page, 'memory grows');
  await noSerious(bob.page);
  await approveByThumb(carol.page, 'memory grows');

  // Whoever asked sees it happen without doing anything.
  const id = new URL(page.url()).pathname.split('/').pop() ?? '';
  type Outcome = { phase: string; tasks: { succeeded: number }; approvals: { person: string; key?: string; counts: boolean }[] };
  const outcome = () => demo.must<Outcome>('dave', 'GET', `/api/v1/runs/${id}`);
  await expect.poll(async () => (await outcome()).phase, { timeout: 60_000 }).toBe('succeeded');
  await expect(page.getByRole('button', { name: 'Cancel', exact: true })).toHaveCount(0);
  await expect(page.getByText('succeeded').first()).toBeVisible();
  const run = await outcome();
  expect(run).toMatchObject({ phase: 'succeeded', tasks: { succeeded: demo.nodes.length } });
  expect(run.approvals.map(({ person, counts }) => [person, counts])).toEqual([
    ['bob', true],
    ['carol', true],
  ]);
  for (const { key } of run.approvals) expect(key).toMatch(/^passkey:/);

  // The next one is called off by who asked, on the phone of an approver it leaves the inbox by itself.
  await demo.must('dave', 'POST', '/api/v1/runs', {
    namespace: 'shop',
    template: 'restart-service',
    inputs: { service: 'web' },
    target: 'role=web',
    reason: 'once more',
  });
  await bob.page.goto('/');
  const card = bob.page.getByRole('article').filter({ hasText: 'once more' });
  await expect(card).toBeVisible();
  await page.goto('/runs');
  await page
    .getByRole('link', { name: /Restart a service/ })
    .first()
    .click();
  await expect(page.getByText('once more').first()).toBeVisible();
  await page.getByRole('button', { name: 'Cancel', exact: true }).click();
  await page.getByRole('dialog').getByLabel('Why').fill('it is well again');
  await page.getByRole('button', { name: 'Cancel the run' }).click();
  await expect(card).toHaveCount(0);

  // Elsewhere again, with what came of the first at hand.
  await page.goto(`/runs/${id}`);
  await page.getByRole('button', { name: 'Replay' }).click();
  const sheet = page.getByRole('dialog');
  await sheet.getByLabel('On which nodes').fill('env=prod');
  await sheet.getByRole('button', { name: 'Look what it would do' }).click();
  await sheet.getByRole('button', { name: /^Request it on/ }).click();
  await expect(page.getByText('Replay of')).toBeVisible();
  await bob.context.close();
  await carol.context.close();
});

test('a lost connection shows, heals by itself, and what happened meanwhile is there', async ({ page, demo }) => {
  test.setTimeout(180_000);
  await signIn(page, demo, 'bob');
  await expect(page.getByRole('heading', { level: 1, name: 'Inbox' })).toBeVisible();
  await demo.restart(4000);
  await expect(page.getByText('The connection is lost.')).toHaveCount(0, { timeout: 30_000 });
  await demo.must('dave', 'POST', '/api/v1/runs', {
    namespace: 'shop',
    template: 'restart-service',
    inputs: { service: 'web' },
    target: 'role=web',
    reason: 'after the restart',
  });
  await expect(page.getByRole('article').filter({ hasText: 'after the restart' })).toBeVisible();

  // And while it lasts, people know.
  const down = demo.restart(8000);
  await expect(page.getByText('The connection is lost.')).toBeVisible({ timeout: 15_000 });
  await down;
  await expect(page.getByText('The connection is lost.')).toHaveCount(0, { timeout: 30_000 });
});
