import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SYNOD } from './caller';
import { expect, noSerious, type Page, signIn, test, uptime } from './harness';

const list = (page: Page) => page.getByRole('list', { name: 'Nodes' }).getByRole('listitem');

test('nodes are listed, searched, and narrowed by a label', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/nodes');
  for (const name of demo.nodes) await expect(list(page).filter({ hasText: name })).toContainText('connected');
  await expect(list(page).filter({ hasText: 'web-1' })).toContainText('enforces');
  await noSerious(page);
  await page.keyboard.press('/');
  await page.keyboard.type('web-2 debian');
  await expect(page).toHaveURL(/q=web-2/);
  await expect(list(page)).toHaveCount(1);
  await page.getByRole('button', { name: 'Clear', exact: true }).click();
  await page.getByRole('button', { name: 'Only nodes with env=staging' }).first().click();
  await expect(page).toHaveURL(/selector=env(%3D|=)staging/);
  await expect(list(page).filter({ hasText: 'web-2' })).toHaveCount(0);
  await expect(list(page).filter({ hasText: 'web-1' })).toHaveCount(1);
  // The address alone brings the same list.
  await page.reload();
  await expect(page.getByLabel('Selector', { exact: true })).toHaveValue('env=staging');
  await expect(list(page).filter({ hasText: 'web-2' })).toHaveCount(0);
});

test('a wrong selector is told at its field, and nothing found says what to do', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/nodes');
  await page.getByLabel('Selector', { exact: true }).fill('role in (');
  await page.getByLabel('Selector', { exact: true }).press('Enter');
  await expect(page.getByLabel('Selector', { exact: true })).toHaveAccessibleDescription(/.+/);
  await expect(page.getByLabel('Selector', { exact: true })).toHaveAttribute('aria-invalid', 'true');
  await page.getByLabel('Selector', { exact: true }).fill('role=nothing');
  await expect(page.getByRole('heading', { name: 'No node fits' })).toBeVisible();
  await noSerious(page);
});

test('no nodes: the empty list teaches how to join one', async ({ page, demo }) => {
  await page.route(/\/api\/v1\/nodes(\?|$)/, (route) => route.fulfill({ json: { items: [] } }));
  await signIn(page, demo, 'alice', '/nodes');
  await expect(page.getByRole('heading', { name: 'No nodes yet' })).toBeVisible();
  await page.getByRole('main').getByRole('button', { name: 'Join a node' }).last().click();
  await expect(page.getByRole('dialog', { name: 'Join a node' })).toBeVisible();
});

test('of many nodes only those in sight are drawn', async ({ page, demo }) => {
  const node = (n: number) => ({
    id: `n${n}`,
    name: `many-${n}`,
    labels: { rack: String(n % 40) },
    facts: { os: 'debian' },
    connected: n % 2 === 0,
    version: '0.1.0',
    joinedAt: '2026-11-01T00:00:00.000Z',
    certificateExpiresAt: '2036-11-01T00:00:00.000Z',
    trust: { mode: n === 7 ? 'off' : 'enforce', version: 1, witnessed: 1, alarm: n === 4000 ? 'log: rollback: it lost events' : '' },
  });
  await page.route(/\/api\/v1\/nodes\?/, (route) => {
    const from = Number(new URL(route.request().url()).searchParams.get('cursor') ?? '0');
    const next = from + 500 < 5000 ? String(from + 500) : undefined;
    return route.fulfill({ json: { items: Array.from({ length: 500 }, (_, n) => node(from + n)), next } });
  });
  await signIn(page, demo, 'alice', '/nodes');
  await expect(list(page).first()).toHaveAttribute('aria-setsize', '500');
  expect(await list(page).count()).toBeLessThan(100);
  // A search looks at all pages, also at those that nobody asked for.
  await page.getByLabel('Search', { exact: true }).fill('many-4000');
  await expect(list(page)).toHaveCount(1);
  await expect(list(page).first()).toContainText('alarm');
  await page.goto('/nodes?show=lenient');
  await expect(list(page)).toHaveCount(1);
  await expect(list(page).first()).toContainText('many-7');
});

test('labels: what is wrong is told at the field, and saving shows at once', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/nodes/web-3');
  await expect(page.getByRole('heading', { level: 1, name: 'web-3' })).toBeVisible();
  await page.getByRole('button', { name: 'Change the labels' }).click();
  await page.getByRole('button', { name: 'Add a label' }).click();
  const name = page.getByLabel(/^Name of label/).last();
  const value = page.getByLabel(/^Value of label/).last();
  await value.fill('b');
  await page.getByRole('button', { name: 'Save the labels' }).click();
  await expect(name).toHaveAccessibleDescription('A label needs a name');
  await name.fill('été');
  await page.getByRole('button', { name: 'Save the labels' }).click();
  await expect(name).toHaveAccessibleDescription(/is not a label name/);
  await expect(value, 'what was typed stays').toHaveValue('b');
  await noSerious(page);
  await name.fill('zone');
  await page.getByRole('button', { name: 'Save the labels' }).click();
  await expect(page.getByText('zone=b', { exact: true })).toBeVisible();
  await page.getByRole('button', { name: 'Change the labels' }).click();
  await page.getByRole('button', { name: 'Take label zone away' }).click();
  await expect(page.getByText('Takes zone away.')).toBeVisible();
  await page.getByRole('button', { name: 'Save the labels' }).click();
  await expect(page.getByText('zone=b', { exact: true })).toHaveCount(0);
});

test('the page of a node tells its state, its facts and what ran on it', async ({ page, demo }) => {
  await uptime(demo, 'name=web-1');
  await signIn(page, demo, 'alice', '/nodes/web-1');
  await expect(page.getByRole('region', { name: 'State' })).toContainText('The agent renews it by itself.');
  await expect(page.getByRole('region', { name: 'Last runs' })).toContainText('shop/show-uptime');
  await page.getByLabel('Search the facts').fill('arch');
  await expect(page.getByRole('region', { name: 'Facts' }).getByRole('term')).toHaveText(['arch']);
  await page.getByLabel('Search the facts').fill('no such fact');
  await expect(page.getByText('No fact contains “no such fact”.')).toBeVisible();
  await noSerious(page);
  await page.goto('/nodes/nobody');
  await expect(page.getByRole('alert')).toContainText('SYN-3000');
});

test('a machine joins by the command that is shown, appears by itself, and is removed', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/nodes');
  await page.getByRole('button', { name: 'Join a node' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Labels').fill('role');
  await dialog.getByRole('button', { name: 'Make the join token' }).click();
  await expect(dialog.getByLabel('Labels')).toHaveAccessibleDescription(/“role” is not a label: write KEY=VALUE/);
  await dialog.getByLabel('Labels').fill('Rölle=1');
  await dialog.getByRole('button', { name: 'Make the join token' }).click();
  await expect(dialog.getByLabel('Labels')).toHaveAccessibleDescription(/is not a label name/);
  await noSerious(page);
  await dialog.getByLabel('Labels').fill('role=spare');
  await dialog.getByRole('button', { name: 'Make the join token' }).click();
  await expect(dialog).toContainText('is not shown again');
  await dialog.getByLabel('Name').fill('spare-1');
  await expect(dialog.locator('pre')).toContainText(`--trust enforce`);
  await expect(dialog.locator('pre')).toContainText(`--trust-root ${demo.ready.trustRoot}`);
  await noSerious(page);
  const [program, ...words] = (await dialog.locator('pre').innerText()).replaceAll('\\\n', ' ').split(/\s+/);
  expect(program).toBe('synod');
  await dialog.getByRole('button', { name: 'Done' }).click();
  await expect(page.getByText(/for one more machine/)).toBeVisible();

  const folder = mkdtempSync(join(tmpdir(), 'synod-joined-'));
  let agent: ChildProcess | undefined;
  try {
    agent = spawn(SYNOD, [...words, '--state-dir', folder], { stdio: 'ignore', env: { ...process.env, HOME: folder } });
    await expect(list(page).filter({ hasText: 'spare-1' })).toContainText('connected', { timeout: 30_000 });
    await page.getByRole('link', { name: 'spare-1' }).click();
    await expect(page.getByText('role=spare', { exact: true })).toBeVisible();
    await page.getByRole('button', { name: 'Remove', exact: true }).click();
    await expect(page.getByRole('dialog')).toContainText('what ran on it stays in the record');
    await page.getByRole('button', { name: 'Remove spare-1' }).click();
    await expect(page).toHaveURL(/\/nodes$/);
    await expect(list(page).filter({ hasText: 'web-1' })).toBeVisible();
    await expect(list(page).filter({ hasText: 'spare-1' })).toHaveCount(0);
  } finally {
    agent?.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  }
});

test('an open join token is shown and revoked', async ({ page, demo }) => {
  const { id } = await demo.must<{ id: string }>('alice', 'POST', '/api/v1/join-tokens', {
    labels: { role: 'soon' },
    uses: 3,
    expiresIn: '1h',
  });
  await signIn(page, demo, 'alice', '/nodes');
  await expect(page.getByText(`${id}, for 3 more machines`)).toBeVisible();
  await page.getByRole('button', { name: `Revoke the join token ${id}` }).click();
  await page.getByRole('button', { name: `Revoke ${id}`, exact: true }).click();
  await expect(page.getByText(`${id}, for 3 more machines`)).toHaveCount(0);
});

test('who may only look is offered nothing to change', async ({ page, demo }) => {
  await signIn(page, demo, 'erin', '/nodes');
  await expect(list(page).filter({ hasText: 'web-1' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Join a node' })).toHaveCount(0);
  await expect(page.getByRole('heading', { name: 'Open join tokens' })).toHaveCount(0);
  await page.goto('/nodes/web-1');
  await expect(page.getByRole('region', { name: 'Facts' })).toContainText('arch');
  await expect(page.getByRole('button', { name: 'Change the labels' })).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Remove', exact: true })).toHaveCount(0);
});

test.describe('on a phone', () => {
  test.use({ viewport: { width: 390, height: 844 } });
  test('nothing is wider than the screen', async ({ page, demo }) => {
    await signIn(page, demo, 'alice', '/nodes');
    await expect(list(page).first()).toBeVisible();
    await page.getByRole('button', { name: 'Filters' }).click();
    await expect(page.getByLabel('Selector', { exact: true })).toBeVisible();
    const wide = () => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(await wide()).toBeLessThanOrEqual(0);
    await page.goto('/nodes/web-1');
    await expect(page.getByRole('region', { name: 'Facts' })).toBeVisible();
    expect(await wide()).toBeLessThanOrEqual(0);
    await noSerious(page);
  });
});
