import { Fresh, totp } from './fresh';
import type { Caller } from './caller';
import { expect, type Page, test as base } from './harness';
import { Proxy } from './proxy';

const PREFIX = '/tools/synod';

/** A server that lies below a path, with a node and something to run on it. */
const test = base.extend<object, { fresh: Fresh }>({
  fresh: [
    async ({}, use) => {
      const fresh = await Fresh.start({ prefix: PREFIX });
      await furnish(fresh);
      await use(fresh);
      await fresh.stop();
    },
    { scope: 'worker', timeout: 120_000 },
  ],
  baseURL: async ({ fresh }, use) => use(fresh.url),
});

async function furnish(fresh: Fresh): Promise<void> {
  await fresh.setUp('ada');
  const { secret } = await fresh.must<{ secret: string }>('ada', 'POST', '/api/v1/auth/totp');
  await fresh.must('ada', 'POST', '/api/v1/auth/totp/confirm', { totp: totp(secret) });
  await fresh.populate('ada', 'lab', { bob: 'approver', dave: 'requester' });
  await fresh.must('ada', 'POST', '/api/v1/apply', {
    documents: [
      {
        apiVersion: 'synod/v1',
        kind: 'Template',
        metadata: { namespace: 'lab', name: 'greet' },
        spec: {
          title: 'Greet',
          approval: { rules: [{ count: 1, from: { role: 'approver' } }] },
          steps: [{ name: 'greet', run: 'echo hello from below' }],
        },
      },
    ],
  });
  const { token, caFingerprint } = await fresh.must<{ token: string; caFingerprint: string }>('ada', 'POST', '/api/v1/join-tokens', {
    uses: 1,
    expiresIn: '1h',
  });
  fresh.join(`synod agent --server ${fresh.url} --join-token ${token} --ca-fingerprint ${caFingerprint} --name lab-1`.split(' '));
  const nodes = async () => (await fresh.must<{ items: { connected: boolean }[] }>('ada', 'GET', '/api/v1/nodes')).items;
  await expect.poll(nodes, { timeout: 30_000 }).toMatchObject([{ connected: true }]);
}

const ask = (server: Caller, reason: string) =>
  server.must<{ id: string }>('dave', 'POST', '/api/v1/runs', { namespace: 'lab', template: 'greet', inputs: {}, target: '', reason });
const below = (page: Page, proxy: Proxy) => expect(page).toHaveURL((url) => url.href.startsWith(proxy.url));

for (const strips of [false, true]) {
  test.describe(`behind a proxy that ${strips ? 'takes the path off' : 'leaves the path on'}`, () => {
    let proxy: Proxy;
    test.beforeAll(async ({ fresh }) => {
      proxy = await Proxy.start(fresh.url, PREFIX, strips);
    });
    test.afterAll(async () => proxy.stop());

    test('one signs in, decides, watches it live, loads it again, and never leaves the path', async ({ page, fresh }) => {
      // Whoever is not signed in is led to the sign-in and back.
      await page.goto(`${proxy.url}runs?find=nothing`);
      await expect(page).toHaveURL(/\/tools\/synod\/sign-in\?next=/);
      await page.getByLabel('User', { exact: true }).fill('bob');
      await page.getByLabel('Password', { exact: true }).fill(fresh.password('bob'));
      await page.getByRole('button', { name: 'Sign in', exact: true }).click();
      await expect(page.getByRole('heading', { level: 1, name: 'Runs' })).toBeVisible();
      await expect(page).toHaveURL(`${proxy.url}runs?find=nothing`);

      // What is asked for elsewhere comes by itself.
      await page.getByRole('link', { name: /^Inbox/ }).click();
      await expect(page.getByRole('heading', { level: 1, name: 'Inbox' })).toBeVisible();
      const reason = `come in, ${strips ? 'without' : 'with'} a path`;
      const { id } = await ask(fresh, reason);
      const card = page.getByRole('article').filter({ hasText: reason });
      await card.getByRole('link', { name: 'Greet', exact: true }).click();
      await expect(page).toHaveURL(`${proxy.url}runs/${id}`);
      await page.reload();
      await page.getByRole('button', { name: /^Approve/ }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Approve', exact: true }).click();
      await expect(page.getByText('succeeded').first()).toBeVisible();
      await page.getByRole('tab', { name: 'Output' }).click();
      await expect(page.getByRole('region', { name: 'Output' })).toContainText('hello from below');
      await page.reload();
      await expect(page.getByRole('region', { name: 'Output' })).toContainText('hello from below');
      await below(page, proxy);

      // Downloads and screens that are loaded on demand.
      const download = page.waitForEvent('download');
      await page.getByRole('button', { name: 'More about this run' }).click();
      await page.getByRole('menuitem', { name: /Download the evidence/ }).click();
      expect((await download).suggestedFilename()).toBe(`${id}.bundle.json`);
      await page.getByRole('link', { name: 'History', exact: true }).click();
      await expect(page.getByRole('link', { name: id })).toHaveAttribute('href', new RegExp(`^${PREFIX}/runs/${id}`));

      await page.getByRole('button', { name: 'Account of bob' }).click();
      await page.getByRole('menuitem', { name: 'Sign out' }).click();
      await expect(page.getByRole('heading', { level: 1, name: 'Sign in' })).toBeVisible();
      await below(page, proxy);
      expect(proxy.astray, 'nothing was asked for outside of the path').toEqual([]);
    });
  });
}

test('at the server itself the path is there as well', async ({ page, fresh }) => {
  await page.goto(`${fresh.url}/sign-in`);
  await expect(page.getByRole('heading', { level: 1, name: 'Sign in' })).toBeVisible();
});
