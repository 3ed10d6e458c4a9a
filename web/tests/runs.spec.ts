import { type Demo, expect, noSerious, requestRestart, signIn, test, type Page } from './harness';

/** Requests something that only reads, and approves it on the command line. */
async function uptime(demo: Demo, reason: string): Promise<string> {
  const body = { namespace: 'shop', template: 'show-uptime', inputs: {}, target: 'role=web', reason };
  const { id } = await demo.must<{ id: string }>('dave', 'POST', '/api/v1/runs', body);
  await demo.cli(['approve', id, '--yes', '--key', demo.user('bob').key ?? ''], 'bob');
  await expect
    .poll(async () => (await demo.must<{ phase: string }>('bob', 'GET', `/api/v1/runs/${id}`)).phase, { timeout: 30_000 })
    .toBe('succeeded');
  return id;
}

test('where nodes stand is read anew by whoever comes to look', async ({ page, demo }) => {
  const before = await uptime(demo, 'the first of two');
  const body = { namespace: 'shop', template: 'show-uptime', inputs: {}, target: 'role=web', reason: 'watched elsewhere' };
  const { id } = await demo.must<{ id: string }>('dave', 'POST', '/api/v1/runs', body);
  await signIn(page, demo, 'dave', `/runs/${id}?tab=output`);
  await expect(page.getByRole('heading', { name: 'No output yet' })).toBeVisible();
  // The names of the nodes are known by now, and that none has begun.
  await expect(page.getByRole('combobox', { name: 'Output of which node' })).toBeVisible();
  await demo.cli(['approve', id, '--yes', '--key', demo.user('bob').key ?? ''], 'bob');
  await expect(page.getByText(/^complete · /)).toBeVisible();
  await page.getByRole('tab', { name: 'Timeline' }).click();
  await expect(page.getByText('Succeeded', { exact: true })).toBeVisible();
  await page.getByRole('tab', { name: 'Nodes' }).click();
  for (const node of demo.nodes) await expect(page.getByRole('button', { name: new RegExp(`^${node}.*succeeded`) })).toBeVisible();
  await page.goto(`/runs/${id}/compare/${before}`);
  await expect(page.getByText('Every node that is in both ended alike.')).toBeVisible();
});

const fits = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);

test('the list is filtered by the address', async ({ page, demo }) => {
  const id = await requestRestart(demo, 'role=web', 'find me by this');
  await signIn(page, demo, 'erin', '/runs');
  const list = page.getByRole('list', { name: 'Runs' });
  await page.getByRole('textbox', { name: 'Search' }).fill('find me by');
  await expect(list.getByRole('link')).toHaveCount(1);
  await expect(page).toHaveURL(/find=find/);
  await expect(list.getByRole('link')).toHaveAttribute('href', new RegExp(`/runs/${id}`));
  await page.getByRole('textbox', { name: 'Search' }).fill('');
  await page.getByRole('textbox', { name: 'Requester' }).fill('nobody');
  await expect(page.getByRole('heading', { name: 'No run is like this' })).toBeVisible();
  await expect(page).toHaveURL(/requester=nobody/);
  await page.reload();
  await expect(page.getByRole('textbox', { name: 'Requester' })).toHaveValue('nobody');
  await page.getByRole('button', { name: 'Clear', exact: true }).click();
  await expect(list.getByRole('link').first()).toBeVisible();
  await page.goto('/runs?unratified=true');
  await expect(page.getByRole('heading', { name: 'No run is like this' })).toBeVisible();
  await noSerious(page);
});

test('who may only look sees no way to act; the requester cancels', async ({ page, demo, browser }) => {
  const id = await requestRestart(demo, 'role=web', 'to be called off');
  await signIn(page, demo, 'erin', `/runs/${id}`);
  await expect(page.getByRole('heading', { level: 1, name: 'Restart a service' })).toBeVisible();
  await expect(page.getByText('supervisor restart web')).toBeVisible();
  for (const name of ['Approve', 'Reject', 'Cancel', 'Replay'])
    await expect(page.getByRole('button', { name, exact: true })).toHaveCount(0);
  const other = await browser.newPage({ baseURL: demo.url, ignoreHTTPSErrors: true });
  await signIn(other, demo, 'dave', `/runs/${id}`);
  await other.getByRole('button', { name: 'Cancel', exact: true }).click();
  await other.getByRole('dialog').getByLabel('Why').fill('asked too early');
  await other.getByRole('button', { name: 'Cancel the run' }).click();
  await expect(other.getByText('cancelled').first()).toBeVisible();
  await other.close();
  // The one who looks sees it without doing anything.
  await expect(page.getByText('cancelled').first()).toBeVisible();
});

test('an unknown run is told as such', async ({ page, demo }) => {
  await signIn(page, demo, 'bob', '/runs/nothere');
  await expect(page.getByRole('alert')).toContainText('SYN-3000');
});

test('a run shows its nodes, output, events and manifest', async ({ page, demo }) => {
  const id = await uptime(demo, 'look');
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn(page, demo, 'bob', `/runs/${id}`);
  await page.getByRole('button', { name: /^web-1/ }).click();
  const drawer = page.getByRole('dialog', { name: 'web-1' });
  await expect(drawer.getByRole('table', { name: 'Steps' })).toContainText('exit code 0');
  // The address alone leads there as well.
  await page.reload();
  await expect(drawer.getByRole('table', { name: 'Steps' })).toContainText('exit code 0');
  await drawer.getByRole('button', { name: 'Check what the node signed' }).click();
  await expect(drawer.getByText('Checked by your browser: the signature is by the key below')).toBeVisible();
  await noSerious(page);
  await drawer.getByRole('link', { name: 'Its output' }).click();

  await expect(page.getByRole('region', { name: 'Output' })).toContainText(/\d+\.\d+/);
  await expect(page.getByText(/^complete · \d+ lines?/)).toBeVisible();
  await page.getByLabel('Search the output').fill('no such text anywhere');
  await expect(page.getByText(/nothing found/)).toBeVisible();
  expect(await fits(page)).toBe(true);
  await noSerious(page);

  await page.getByRole('tab', { name: 'Timeline' }).click();
  await expect(page.getByText('Approval given')).toBeVisible();
  await expect(page.getByText('Succeeded', { exact: true })).toBeVisible();
  await page.getByRole('switch', { name: 'Events of the nodes too' }).check();
  await expect(page.getByText(/^Node \d ended: succeeded/).first()).toBeVisible();
  await noSerious(page);

  await page.getByRole('tab', { name: 'Manifest' }).click();
  await expect(page.getByText('Checked by your browser')).toBeVisible();
  await page.getByText('As it is', { exact: true }).click();
  await expect(page.getByText('"kind": "Manifest"')).toBeVisible();
  expect(await fits(page)).toBe(true);
  await noSerious(page);

  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'More about this run' }).click();
  await page.getByRole('menuitem', { name: /Download the evidence/ }).click();
  expect((await download).suggestedFilename()).toBe(`${id}.bundle.json`);
});

test('a replay is looked at before it is requested, and compared', async ({ page, demo }) => {
  const id = await uptime(demo, 'first');
  await signIn(page, demo, 'dave', `/runs/${id}`);
  await page.getByRole('button', { name: 'Replay' }).click();
  const sheet = page.getByRole('dialog');
  await sheet.getByLabel('On which nodes').fill('env=(');
  await sheet.getByRole('button', { name: 'Look what it would do' }).click();
  await expect(sheet.getByLabel('On which nodes')).toHaveAttribute('aria-invalid', 'true');
  await sheet.getByLabel('On which nodes').fill('env=prod');
  await sheet.getByRole('button', { name: 'Look what it would do' }).click();
  await expect(sheet.getByText('2 nodes: web-2, web-3')).toBeVisible();
  await expect(sheet.getByText('not on web-1')).toBeVisible();
  await noSerious(page);
  await sheet.getByRole('button', { name: 'Request it on 2 nodes' }).click();
  await expect(page).not.toHaveURL(new RegExp(id));
  await expect(page.getByText('Replay of')).toBeVisible();
  await page.getByRole('link', { name: 'Compare the two' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Compare two runs' })).toBeVisible();
  await expect(page.getByText('Only before: web-1')).toBeVisible();
  await noSerious(page);
});

test('a replay whose answer was lost is not requested twice', async ({ page, demo }) => {
  const id = await uptime(demo, 'to be replayed once');
  await signIn(page, demo, 'dave', `/runs/${id}`);
  await page.getByRole('button', { name: 'Replay' }).click();
  const sheet = page.getByRole('dialog');
  await sheet.getByLabel('Why').fill('replayed once');
  await sheet.getByRole('button', { name: 'Look what it would do' }).click();
  await expect(sheet.getByText('What it would do')).toBeVisible();
  // The server does it, and the answer never comes back.
  await page.route(`**/api/v1/runs/${id}/replay`, async (route) => {
    await route.fetch();
    await route.abort();
  });
  await sheet.getByRole('button', { name: /^Request it on/ }).click();
  await expect(sheet.getByRole('alert').filter({ hasText: 'The server cannot be reached.' })).toBeVisible();
  await page.unroute(`**/api/v1/runs/${id}/replay`);
  await sheet.getByRole('button', { name: /^Request it on/ }).click();
  await expect(page.getByText('Replay of')).toBeVisible();
  const { items } = await demo.must<{ items: { reason: string }[] }>('dave', 'GET', '/api/v1/runs?limit=50');
  expect(items.filter((run) => run.reason === 'replayed once')).toHaveLength(1);
});

test('ten thousand nodes stay quick to look through', async ({ page, demo }) => {
  const id = await uptime(demo, 'many');
  const phases = ['succeeded', 'failed', 'started', 'waiting', 'lost'];
  const nodes = Array.from({ length: 10_000 }, (_, n) => ({
    id: `n${n}`,
    name: `node-${n}`,
    task: `${id}.${n}`,
    phase: n % 100 === 7 ? 'failed' : phases[n % 2 === 0 ? 0 : 2],
  }));
  await page.route(`**/api/v1/runs/${id}/nodes`, (route) => route.fulfill({ json: { nodes } }));
  await signIn(page, demo, 'bob', `/runs/${id}`);
  const grid = page.getByRole('listbox', { name: 'Nodes by phase, 10000 of them' });
  await expect(grid).toBeVisible();
  // Only what is in sight is there.
  expect(await grid.getByRole('option').count()).toBeLessThan(3000);
  await grid.focus();
  const began = Date.now();
  await page.keyboard.press('End');
  await expect(grid.getByRole('option', { name: 'node-9999: running' })).toBeVisible();
  await page.keyboard.press('Home');
  await expect(grid.getByRole('option', { name: 'node-0: succeeded' })).toBeVisible();
  expect(Date.now() - began).toBeLessThan(5000);
  await page.keyboard.press('ArrowRight');
  await expect(grid.getByRole('option', { name: 'node-1: running' })).toHaveAttribute('aria-selected', 'true');

  await page.getByText('failed 100', { exact: true }).click();
  await expect(page).toHaveURL(/tasks=failed/);
  await expect(page.getByRole('listbox', { name: 'Nodes by phase, 100 of them' })).toBeVisible();
  await noSerious(page);
  await page.getByText('List', { exact: true }).click();
  await expect(page.getByRole('button', { name: /^node-7/ }).first()).toBeVisible();
  await page.getByLabel('Find a node by name').fill('node-9907');
  await expect(page.getByRole('list', { name: 'Nodes' }).getByRole('button')).toHaveCount(1);
  await noSerious(page);
});
