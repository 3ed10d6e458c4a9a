import { Fresh, totp } from './fresh';
import { expect, noSerious, signIn, test as base, type Page } from './harness';

/** A server that nobody has published a trust root on, with one administrator, ada, who has no second factor yet. */
const test = base.extend<object, { fresh: Fresh }>({
  fresh: [
    async ({}, use) => {
      const fresh = await Fresh.start();
      await fresh.setUp('ada');
      await use(fresh);
      await fresh.stop();
    },
    { scope: 'worker', timeout: 120_000 },
  ],
  baseURL: async ({ fresh }, use) => use(fresh.url),
});

test.describe.configure({ mode: 'serial' });

const card = (page: Page, reason: string) => page.getByRole('article').filter({ hasText: reason });

/** One thing to be run, and what its request's approval is like. */
const template = (name: string, title: string, approval: object = {}) => ({
  apiVersion: 'synod/v1',
  kind: 'Template',
  metadata: { namespace: 'lab', name },
  spec: {
    title,
    approval: { rules: [{ count: 1, from: { role: 'approver' } }], ...approval },
    steps: [{ name: 'say', run: 'echo done as asked' }],
  },
});

const ask = (fresh: Fresh, name: string, reason: string) =>
  fresh.must<{ id: string }>('dave', 'POST', '/api/v1/runs', { namespace: 'lab', template: name, inputs: {}, target: '', reason });

test('a join token takes a second factor, enrolled meanwhile in another tab; then no more for a while', async ({ page, fresh }) => {
  await signIn(page, fresh, 'ada', '/nodes');
  await page.getByRole('button', { name: 'Join a node' }).first().click();
  const join = page.getByRole('dialog', { name: 'Join a node' });
  await join.getByLabel('Labels').fill('role=lab');
  await join.getByRole('button', { name: 'Make the join token' }).click();
  const confirm = page.getByRole('dialog', { name: 'Confirm that it is you' });
  await expect(confirm.getByText('your account has none')).toBeVisible();
  await noSerious(page);

  const opened = page.waitForEvent('popup');
  await confirm.getByRole('link', { name: 'Enrol one in a new tab' }).click();
  const tab = await opened;
  await tab.getByRole('button', { name: 'Enrol an authenticator' }).click();
  const secret = await tab.locator('pre').innerText();
  // A code of the step before, so that those of this step and the next are left to be used.
  await tab.getByLabel('Code').fill(totp(secret, -1));
  await expect(tab.getByText('in force', { exact: true })).toBeVisible();
  await tab.close();

  // The question has heard of it.
  await expect(confirm.getByText('For a while after that you are not asked again.')).toBeVisible();
  await confirm.getByLabel('Code').fill('000000');
  await expect(confirm.getByText('The code is wrong, or was used before.')).toBeVisible();
  await confirm.getByLabel('Code').fill(totp(secret));
  await expect(confirm).toHaveCount(0);

  // What was typed before is what the token is for.
  const made = page.getByRole('dialog', { name: 'Run this on the machine' });
  await expect(made.getByText('No trust root is published, so the node will believe the server.')).toBeVisible();
  await made.getByLabel('Name').fill('lab-1');
  const command = await made.locator('pre').innerText();
  expect(command).not.toContain('--trust');
  await made.getByRole('button', { name: 'Done' }).click();
  fresh.join(command.replaceAll('\\\n', ' ').split(/\s+/));
  const node = page.getByRole('list', { name: 'Nodes' }).getByRole('listitem').filter({ hasText: 'lab-1' });
  await expect(node).toContainText('connected', { timeout: 30_000 });
  await expect(node).toContainText('role=lab');

  await page.getByRole('button', { name: 'Join a node' }).first().click();
  await join.getByRole('button', { name: 'Make the join token' }).click();
  await expect(made).toBeVisible();
  await expect(confirm).toHaveCount(0);
  await page.getByRole('button', { name: 'Done' }).click();

  // For the other stories.
  await fresh.must('ada', 'POST', '/api/v1/auth/step-up', { totp: totp(secret, 1) });
  await fresh.populate('ada', 'lab', { bob: 'approver', dave: 'requester' });
  const documents = [template('ordinary', 'Something ordinary'), template('pressing', 'Something pressing', { expiresAfter: '40m' })];
  await fresh.must('ada', 'POST', '/api/v1/apply', { documents });
});

test.describe('on a phone', () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });

  test('without a trust root one decides by a button, and signs nothing', async ({ page, fresh }) => {
    const [first, second] = [await ask(fresh, 'ordinary', 'to be approved'), await ask(fresh, 'ordinary', 'to be rejected')];
    await signIn(page, fresh, 'bob');
    await card(page, 'to be approved').getByRole('button', { name: 'Approve' }).tap();
    const sheet = page.getByRole('dialog', { name: /^(Approve|Reject): Something ordinary/ });
    await expect(sheet.getByText('Checked by your browser')).toBeVisible();
    await expect(sheet.getByText(/sign/i)).toHaveCount(0);
    await noSerious(page);
    await sheet.getByLabel('Comment').fill('go on');
    await sheet.getByRole('button', { name: 'Approve', exact: true }).tap();
    await expect(page.getByText('You approved “Something ordinary” on 1 node.')).toBeVisible();

    await card(page, 'to be rejected').getByRole('button', { name: 'Reject' }).tap();
    await sheet.getByRole('button', { name: 'Reject', exact: true }).tap();
    await expect(sheet.getByText('Say why, so that the requester knows what to change.')).toBeVisible();
    await sheet.getByLabel('Comment').fill('not now');
    await sheet.getByRole('button', { name: 'Reject', exact: true }).tap();
    await expect(page.getByRole('heading', { name: 'Nothing awaits you' })).toBeVisible();

    await page.goto(`/runs/${first.id}?tab=output`);
    await expect(page.getByRole('region', { name: 'Output' })).toContainText('done as asked');
    type Decided = { phase: string; approvals: { person: string; decision: string; comment: string; key?: string; counts: boolean }[] };
    const run = (id: string) => fresh.must<Decided>('bob', 'GET', `/api/v1/runs/${id}`);
    expect((await run(first.id)).approvals).toMatchObject([{ person: 'bob', decision: 'approve', comment: 'go on', counts: true }]);
    expect((await run(second.id)).phase).toBe('rejected');
    for (const { id } of [first, second]) expect((await run(id)).approvals[0]?.key).toBeUndefined();
  });
});

test('of more requests than are shown the most pressing of all comes first', async ({ page, fresh }) => {
  const TENS = 12;
  // The oldest, which the server gives last, on its last page.
  await ask(fresh, 'pressing', 'the one that presses');
  for (let ten = 0; ten < TENS; ten++)
    await Promise.all(Array.from({ length: 10 }, (_, n) => ask(fresh, 'ordinary', `ordinary number ${ten}${n}`)));
  const pages: string[] = [];
  await page.route(/\/api\/v1\/runs\?.*awaitingMe=true/, async (route) => {
    const url = new URL(route.request().url());
    pages.push(url.searchParams.get('cursor') ?? '');
    // The pages are of 500; with these there are several.
    url.searchParams.set('limit', '50');
    await route.continue({ url: url.href });
  });
  await signIn(page, fresh, 'bob');
  await expect(page.getByRole('heading', { name: '121 await you' })).toBeVisible();
  expect(new Set(pages).size, 'pages that were read').toBe(3);
  await expect(page.getByRole('link', { name: /^Inbox 121/ })).toBeVisible();
  const cards = page.getByRole('article');
  await expect(cards).toHaveCount(100);
  await expect(cards.first()).toContainText('the one that presses');
  await page.getByRole('button', { name: 'Load more (100 shown)' }).click();
  await expect(cards).toHaveCount(121);
  await expect(page.getByRole('button', { name: /^Load more/ })).toHaveCount(0);

  await page.keyboard.press('a');
  const sheet = page.getByRole('dialog', { name: 'Approve: Something pressing' });
  await sheet.getByRole('button', { name: 'Approve', exact: true }).click();
  await expect(page.getByRole('heading', { name: '120 await you' })).toBeVisible();
  await expect(card(page, 'the one that presses')).toHaveCount(0);
});
