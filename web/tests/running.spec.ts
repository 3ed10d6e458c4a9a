import { readFileSync } from 'node:fs';
import { type Demo, expect, noSerious, signIn, test } from './harness';

type Run = { phase: string; batch: number };
const phase = async (demo: Demo, id: string) => (await demo.must<Run>('alice', 'GET', `/api/v1/runs/${id}`)).phase;

/** Asks for something on every web server and has bob approve it. */
async function begin(demo: Demo, template: string, inputs: object, reason: string): Promise<string> {
  const body = { namespace: 'shop', template, inputs, target: 'role=web', reason };
  const { id } = await demo.must<{ id: string }>('dave', 'POST', '/api/v1/runs', body);
  await demo.cli(['approve', id, '--yes', '--key', demo.user('bob').key ?? ''], 'bob');
  return id;
}

test('a run is watched while it runs: batches, nodes, output that follows and is saved, and it is broken off', async ({ page, demo }) => {
  test.setTimeout(180_000);
  const body = { namespace: 'shop', template: 'count-slowly', inputs: { to: 60 }, target: 'role=web', reason: 'to be watched' };
  const { id } = await demo.must<{ id: string }>('dave', 'POST', '/api/v1/runs', body);
  await page.setViewportSize({ width: 1280, height: 500 });
  await signIn(page, demo, 'dave', `/runs/${id}?tab=output`);
  await expect(page.getByRole('heading', { name: 'No output yet' })).toBeVisible();
  await demo.cli(['approve', id, '--yes', '--key', demo.user('bob').key ?? ''], 'bob');

  // All of it comes without doing anything.
  const output = page.getByRole('region', { name: 'Output' });
  await expect(output).toContainText(/web-\d counts 1/);
  await expect(page.getByText('batch 1 of 3')).toBeVisible();
  await expect(page.getByText(/^live · \d+ lines?/)).toBeVisible();
  await expect(page.getByText('running').first()).toBeVisible();

  // The end stays in sight, until one turns back.
  const atEnd = () => output.evaluate((pane) => pane.scrollHeight - pane.scrollTop - pane.clientHeight < 40);
  const overflows = () => output.evaluate((pane) => pane.scrollHeight > pane.clientHeight + 60);
  await expect.poll(overflows, { timeout: 30_000 }).toBe(true);
  await expect.poll(atEnd).toBe(true);
  const follow = page.getByRole('switch', { name: 'Follow' });
  await expect(follow).toBeChecked();
  await output.focus();
  await page.keyboard.press('Home');
  await expect(follow).not.toBeChecked();
  await expect.poll(atEnd).toBe(false);
  await follow.check();
  await expect.poll(atEnd).toBe(true);
  await noSerious(page);

  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save as text' }).click();
  const saved = await download;
  expect(saved.suggestedFilename()).toBe(`${id}.txt`);
  const text = readFileSync(await saved.path(), 'utf8');
  expect(text).toMatch(/^web-\d\tstdout\tweb-\d counts 1\n/);
  expect(text).toContain('counts 10\n');

  await page.getByRole('tab', { name: 'Nodes' }).click();
  const nodes = page.getByRole('list', { name: 'Nodes' }).getByRole('button');
  await expect(nodes.filter({ hasText: 'running' })).toHaveCount(1);
  await expect(nodes.filter({ hasText: 'waiting' })).toHaveCount(2);

  await page.getByRole('button', { name: 'Cancel', exact: true }).click();
  await expect(page.getByRole('dialog')).toContainText('it is broken off on 1 node where it runs now');
  await page.getByRole('dialog').getByLabel('Why').fill('seen enough');
  await page.getByRole('button', { name: 'Cancel the run' }).click();
  await expect(nodes.filter({ hasText: 'cancelled' })).toHaveCount(3);
  await expect.poll(() => phase(demo, id)).toBe('cancelled');
  await page.getByRole('tab', { name: 'Output' }).click();
  await expect(page.getByText(/^complete · /)).toBeVisible();
});

test('a check that fails says what was expected, and the rollout stops', async ({ page, demo }) => {
  await demo.must('alice', 'POST', '/api/v1/apply', {
    documents: [
      {
        apiVersion: 'synod/v1',
        kind: 'Template',
        metadata: { namespace: 'shop', name: 'unhealthy' },
        spec: {
          title: 'Look after the health',
          targets: { selector: 'role=web' },
          approval: { rules: [{ count: 1, from: { role: 'approver' } }] },
          strategy: { type: 'rolling', size: 1 },
          steps: [{ name: 'health', run: 'echo degraded', expect: { stdout: { matches: 'healthy' }, onMismatch: 'fail' } }],
        },
      },
    ],
  });
  const id = await begin(demo, 'unhealthy', {}, 'is it well?');
  await signIn(page, demo, 'dave', `/runs/${id}?tab=nodes`);
  await expect(page.getByText('failed').first()).toBeVisible();
  const nodes = page.getByRole('list', { name: 'Nodes' }).getByRole('button');
  await nodes.filter({ hasText: 'failed' }).first().click();
  await expect(page.getByRole('dialog').getByRole('table', { name: 'Steps' })).toContainText('healthy');
  await noSerious(page);
  await page.keyboard.press('Escape');
  await page.getByRole('tab', { name: 'Timeline' }).click();
  await expect(page.getByText('The rollout stopped', { exact: true })).toBeVisible();
  await demo.must('alice', 'DELETE', '/api/v1/objects/Template/unhealthy?namespace=shop');
});

test('at a gate, whoever may lets it go on from the inbox, to the end', async ({ page, demo }) => {
  await demo.must('alice', 'POST', '/api/v1/apply', {
    documents: [
      {
        apiVersion: 'synod/v1',
        kind: 'Template',
        metadata: { namespace: 'shop', name: 'gated' },
        spec: {
          title: 'One after the other',
          targets: { selector: 'role=web' },
          approval: { rules: [{ count: 1, from: { role: 'approver' } }] },
          strategy: { type: 'rolling', size: 2, gate: 'manual' },
          steps: [{ name: 'say', run: 'echo here' }],
        },
      },
    ],
  });
  await signIn(page, demo, 'dave');
  const id = await begin(demo, 'gated', {}, 'with a look between');
  const gate = page.getByRole('article', { name: 'One after the other waits at a gate' });
  await expect(gate).toContainText('batch 1 of 2');
  await noSerious(page);
  await gate.getByRole('button', { name: 'Let it go on' }).click();
  await expect(page.getByRole('dialog')).toContainText('waits after batch 1 of 2: 1 waiting, 2 succeeded');
  await page.getByRole('button', { name: 'Go on with 1 node' }).click();
  await expect(gate).toHaveCount(0);
  await expect.poll(() => phase(demo, id)).toBe('succeeded');
  await expect(page.getByRole('list', { name: 'Lately ended' })).toContainText('One after the other');
  await demo.must('alice', 'DELETE', '/api/v1/objects/Template/gated?namespace=shop');
});
