import { expect, type Page, signIn, test } from './harness';

/** What somebody might write who wants it to be taken for markup. */
const EVIL = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>';

const template = {
  apiVersion: 'synod/v1',
  kind: 'Template',
  metadata: { namespace: 'shop', name: 'hostile' },
  spec: {
    title: `Hostile ${EVIL}`,
    description: `Says ${EVIL} [a link](javascript:window.hacked=1)`,
    inputs: {
      type: 'object',
      properties: { word: { type: 'string', title: `Word ${EVIL}`, description: `Any ${EVIL}`, default: EVIL } },
      additionalProperties: false,
    },
    targets: { selector: 'role=web', min: 1, max: 1 },
    approval: { rules: [{ count: 1, from: { role: 'approver' } }] },
    steps: [
      {
        name: 'say',
        run: `echo {{ inputs.word }}\nprintf '\\033[31m%s\\033]8;;javascript:window.hacked=1\\007link\\033[0m\\n' {{ inputs.word }}`,
      },
    ],
  },
};

/** Nothing of it became an element, and nothing of it ran. */
async function harmless(page: Page): Promise<void> {
  expect(await page.evaluate(() => (window as { hacked?: number }).hacked)).toBeUndefined();
  expect(await page.locator('img[src="x"], #root script, a[href^="javascript"]').count()).toBe(0);
}

test('whatever people and machines write stays text on every screen', async ({ page, demo }) => {
  test.setTimeout(180_000);
  await demo.must('alice', 'POST', '/api/v1/apply', { documents: [template] });
  const { id } = await demo.must<{ id: string }>('dave', 'POST', '/api/v1/runs', {
    namespace: 'shop',
    template: 'hostile',
    inputs: {},
    target: 'env=staging',
    reason: `Because ${EVIL}`,
  });
  await signIn(page, demo, 'alice');
  await expect(page.getByRole('article').filter({ hasText: 'Because <img' })).toBeVisible();
  await harmless(page);
  await demo.cli(['approve', id, '--comment', `Fine ${EVIL}`, '--yes', '--key', demo.user('bob').key ?? ''], 'bob');
  await expect.poll(async () => (await demo.must<{ phase: string }>('alice', 'GET', `/api/v1/runs/${id}`)).phase).toBe('succeeded');

  await page.goto(`/runs/${id}?tab=output`);
  await expect(page.getByRole('region', { name: 'Output' })).toContainText('<img src=x onerror="window.hacked=1">');
  await harmless(page);
  for (const [path, text] of [
    [`/runs/${id}`, 'Hostile <img'],
    ['/runs', 'Because <img'],
    ['/catalogue', 'Says <img'],
    ['/catalogue/shop/hostile', 'Word <img'],
    ['/templates', 'Hostile <img'],
    ['/templates/shop/hostile', 'Hostile <img'],
    [`/runs/${id}/compare/${id}`, 'Because <img'],
  ] as const) {
    await page.goto(path);
    await expect(page.getByText(text).first()).toBeVisible();
    await harmless(page);
  }
  await demo.must('alice', 'DELETE', '/api/v1/objects/Template/hostile?namespace=shop');
});

test('what a machine says of itself, and what labels and events say, stays text, and hides nothing', async ({ page, demo }) => {
  const odd = `${EVIL} \u202egnihton`;
  await page.route(/\/api\/v1\/nodes(\/|\?|$)/, async (route) => {
    const answer = await route.fetch();
    if (answer.status() !== 200) return route.fulfill({ response: answer });
    const body = (await answer.json()) as { items?: object[] } & object;
    const say = (node: object) => ({ ...node, labels: { note: odd }, facts: { os: { name: odd, [odd]: 'x' } }, version: odd });
    await route.fulfill({
      response: answer,
      json: body.items ? { ...body, items: body.items.map(say) } : 'facts' in body ? say(body) : body,
    });
  });
  const event = {
    position: 1,
    type: 'synod.node.alarm',
    subject: `node/${odd}`,
    actor: odd,
    time: new Date().toISOString(),
    data: { say: odd },
  };
  await page.route(/\/api\/v1\/events\?(?!follow)/, (route) => route.fulfill({ json: { items: [event] } }));
  await page.route(/\/api\/v1\/tasks\?/, async (route) => {
    const task = { id: 'r.0', run: 'r', namespace: 'shop', template: 't', node: 'web-1', phase: 'failed', reason: odd, attempts: 1 };
    await route.fulfill({ json: { items: [task] } });
  });
  await signIn(page, demo, 'alice');
  const [node] = demo.nodes;
  for (const path of ['/nodes', `/nodes/${node}`, '/events', '/history']) {
    await page.goto(path);
    await expect(page.getByText('<img src=x').filter({ visible: true }).first()).toBeVisible();
    await expect(page.getByText('⟦U+202E⟧gnihton').filter({ visible: true }).first()).toBeVisible();
    expect(await page.evaluate(() => document.body.innerText)).not.toContain('\u202e');
    await harmless(page);
  }
  await page.goto('/events');
  // The stream puts what really happens above it.
  const said = page.getByRole('listitem').filter({ hasText: 'node.alarm' });
  await said.getByRole('button').first().click();
  await said.getByRole('button', { name: 'Show the JSON' }).click();
  await expect(said.getByText('Subject', { exact: true }).locator('..')).toContainText('⟦U+202E⟧gnihton');
  expect(await page.evaluate(() => document.body.innerText)).not.toContain('\u202e');
  await harmless(page);
});

test('who asks reads the same script as who approves', async ({ page, demo }) => {
  const documents = [
    {
      ...template,
      metadata: { namespace: 'shop', name: 'turned' },
      spec: { ...template.spec, title: 'Turned', description: 'Plain', steps: [{ name: 'say', run: 'echo \u202e1 mr ;enif' }] },
    },
  ];
  await demo.must('alice', 'POST', '/api/v1/apply', { documents });
  await signIn(page, demo, 'dave', '/catalogue/shop/turned');
  await page.getByLabel('Nodes', { exact: true }).fill('env=staging');
  await page.getByRole('button', { name: /What is run: one step/ }).click();
  await expect(page.getByText('echo ⟦U+202E⟧1 mr ;enif')).toBeVisible();
  await demo.must('alice', 'DELETE', '/api/v1/objects/Template/turned?namespace=shop');
});

test('a request that awaits somebody shows on the desktop, once, if they want it', async ({ page, demo }) => {
  await page.addInitScript(() => {
    const shown: string[] = [];
    class Told {
      static permission = 'granted';
      static requestPermission = () => Promise.resolve('granted');
      constructor(title: string, options?: { body?: string }) {
        shown.push(`${title} | ${options?.body ?? ''}`);
      }
    }
    Object.assign(window, { Notification: Told, shown });
  });
  const ask = (reason: string) =>
    demo.must('dave', 'POST', '/api/v1/runs', {
      namespace: 'shop',
      template: 'restart-service',
      inputs: { service: 'web' },
      target: 'role=web',
      reason,
    });
  const shown = () => page.evaluate(() => (window as unknown as { shown: string[] }).shown);
  await ask('before anybody wanted to know');
  await signIn(page, demo, 'bob', '/me?tab=appearance');
  await expect(page.getByRole('link', { name: /^Inbox \d/ })).toBeVisible();
  await page.getByRole('switch', { name: 'Tell me when a run awaits my decision' }).check();
  await ask('tell me of this');
  await expect.poll(shown).toEqual([expect.stringContaining('tell me of this')]);
});
