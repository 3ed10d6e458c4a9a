import { expect, noSerious, signIn, test } from './harness';

const ROTATE = {
  apiVersion: 'synod/v1',
  kind: 'Template',
  metadata: { namespace: 'shop', name: 'rotate-password', labels: { team: 'data' } },
  spec: {
    title: 'Rotate the database password',
    description: 'Writes a new password. Nobody will notice.',
    inputs: {
      type: 'object',
      required: ['account', 'password'],
      properties: {
        account: { type: 'string', pattern: '^[a-z]+$', description: 'Which account' },
        password: { type: 'string', writeOnly: true, minLength: 8 },
      },
      additionalProperties: false,
    },
    approval: { rules: [{ count: 1, from: { role: 'approver' } }] },
    steps: [{ name: 'write', run: 'echo {{ inputs.account }}' }],
  },
};
const OFF = {
  ...ROTATE,
  metadata: { namespace: 'shop', name: 'old-thing' },
  spec: { ...ROTATE.spec, title: 'An old thing', enabled: false },
};

test.beforeAll(async ({ demo }) => {
  await demo.must('alice', 'POST', '/api/v1/apply', { documents: [ROTATE, OFF] });
});

test('is searched, filtered in the address, and shows what is disabled and why', async ({ page, demo }) => {
  await signIn(page, demo, 'dave', '/catalogue');
  await expect(page.getByRole('link', { name: 'Restart a service' })).toBeVisible();
  await expect(page.getByText(/Disabled: its newest revision \(1, by alice/)).toBeVisible();
  await noSerious(page);
  await page.keyboard.press('/');
  await page.keyboard.type('password');
  await expect(page).toHaveURL(/q=password/);
  await expect(page.getByRole('link', { name: 'Rotate the database password' })).toBeVisible();
  await expect(page.getByRole('link', { name: 'Restart a service' })).toHaveCount(0);
  await page.reload();
  await expect(page.getByRole('textbox', { name: 'Search the catalogue' })).toHaveValue('password');
  await page.getByRole('textbox', { name: 'Search the catalogue' }).fill('no such thing');
  await expect(page.getByRole('heading', { name: 'Nothing fits' })).toBeVisible();
  await page.getByRole('button', { name: /^Show all/ }).click();
  await expect(page.getByRole('link', { name: 'Restart a service' })).toBeVisible();
});

test('a request is looked over and made', async ({ page, demo }) => {
  await signIn(page, demo, 'dave', '/catalogue/shop/restart-service');
  await page.getByRole('button', { name: 'Review' }).click();
  await expect(page.getByText('This is needed').filter({ visible: true })).toBeVisible();
  await page.getByLabel('service').first().click();
  await page.getByRole('option', { name: 'web', exact: true }).click();
  await expect(page.getByText('This is needed').filter({ visible: true })).toHaveCount(0);
  await page.getByLabel('Nodes', { exact: true }).fill('role=');
  await expect(page.getByText('expected a value, found the end')).toBeVisible();
  await page.getByLabel('Nodes', { exact: true }).fill('');
  await page.getByText('staging (1)').click();
  await expect(page.getByLabel('Nodes', { exact: true })).toHaveValue('env=staging');
  await page.getByLabel('Why').fill('stuck workers');
  await expect(page.getByText('alice, bob, carol could')).toBeVisible();
  await noSerious(page);
  await page.getByRole('button', { name: 'Review' }).click();
  await expect(page.getByRole('heading', { name: 'Look it over' })).toBeVisible();
  await expect(page.getByText('supervisor restart web')).toBeVisible();
  await noSerious(page);
  await page.getByRole('button', { name: 'Change something' }).click();
  await expect(page.getByLabel('Why')).toHaveValue('stuck workers');
  await page.getByRole('button', { name: 'Review' }).click();
  await page.getByRole('button', { name: 'Request on 1 node' }).click();
  await expect(page).toHaveURL(/\/runs\/[0-9a-z]+/);
});

test('bad input is told at the field, in the words of the server', async ({ page, demo }) => {
  await signIn(page, demo, 'dave', '/catalogue/shop/restart-service');
  await page.getByLabel('grace_s').fill('99');
  await page.getByLabel('grace_s').blur();
  await expect(page.getByText('99 is greater than the maximum of 60').filter({ visible: true })).toBeVisible();
  await page.getByLabel('Not before').fill('2020-01-01T00:00');
  await page.getByLabel('service').first().click();
  await page.getByRole('option', { name: 'web', exact: true }).click();
  await page.getByLabel('grace_s').fill('1');
  await expect(page.getByText(/is not within the next year/)).toBeVisible();
});

test('secrets are hidden, never taken from a link, and kept nowhere', async ({ page, demo }) => {
  const inputs = encodeURIComponent(JSON.stringify({ account: 'app', password: 'from-the-link' }));
  await signIn(page, demo, 'dave', `/catalogue/shop/rotate-password?inputs=${inputs}`);
  await expect(page.getByRole('textbox', { name: 'account', exact: true })).toHaveValue('app');
  await expect(page.getByText(/Left out of what the link filled in: password/)).toBeVisible();
  await expect(page).toHaveURL(/rotate-password$/);
  const password = page.locator('input[type=password]');
  await expect(password).toHaveValue('');
  await password.fill('hunter2-hunter2');
  await expect(page.getByText('3 nodes', { exact: false }).first()).toBeVisible();
  await page.getByRole('button', { name: 'Review' }).click();
  await expect(page.getByText('⟨secret⟩').first()).toBeVisible();
  const kept = await page.evaluate(
    () => JSON.stringify({ ...localStorage }) + JSON.stringify({ ...sessionStorage }) + location.href + document.body.innerText,
  );
  expect(kept).not.toContain('hunter2');
});

test('what was typed is not left behind without asking', async ({ page, demo }) => {
  await signIn(page, demo, 'dave', '/catalogue/shop/restart-service');
  await page.getByLabel('Why').fill('half a thought');
  await page.getByRole('link', { name: 'Catalogue' }).first().click();
  await expect(page.getByRole('dialog', { name: 'Leave without saving?' })).toBeVisible();
  await page.getByRole('button', { name: 'Stay' }).click();
  await expect(page.getByLabel('Why')).toHaveValue('half a thought');
  await page.getByRole('link', { name: 'Catalogue' }).first().click();
  await page.getByRole('button', { name: 'Leave', exact: true }).click();
  await expect(page).toHaveURL(/\/catalogue$/);
  // It is there again for who changes their mind.
  await page.goBack();
  await expect(page.getByText('What you filled in before is back')).toBeVisible();
  await expect(page.getByLabel('Why')).toHaveValue('half a thought');
  await page.getByRole('button', { name: 'Start anew' }).click();
  await expect(page.getByLabel('Why')).toHaveValue('');
});

test('a session that ended loses nothing but secrets', async ({ page, demo }) => {
  await signIn(page, demo, 'dave', '/catalogue/shop/rotate-password');
  await page.getByRole('textbox', { name: 'account', exact: true }).fill('app');
  await page.locator('input[type=password]').fill('hunter2-hunter2');
  await page.getByLabel('Why').fill('it leaked');
  await page.context().clearCookies();
  await page.getByRole('button', { name: 'Review' }).click();
  await expect(page).toHaveURL(/\/sign-in/);
  expect(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }))).not.toContain('hunter2');
  await page.getByLabel('User', { exact: true }).fill('dave');
  await page.getByLabel('Password', { exact: true }).fill(demo.user('dave').password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByText('What you filled in before is back, but for secrets.')).toBeVisible();
  await expect(page.getByRole('textbox', { name: 'account', exact: true })).toHaveValue('app');
  await expect(page.getByLabel('Why')).toHaveValue('it leaked');
  await expect(page.locator('input[type=password]')).toHaveValue('');
});

test('after signing in anew in another tab a change goes through in this one', async ({ page, demo }) => {
  await signIn(page, demo, 'dave', '/catalogue/shop/restart-service');
  await expect(page.getByRole('button', { name: 'Review' })).toBeVisible();
  const other = await page.context().newPage();
  await signIn(other, demo, 'dave');
  await other.close();
  const refused = page.waitForResponse((answer) => answer.status() === 403 && answer.url().endsWith('/api/v1/runs'));
  await page.getByLabel('service').first().click();
  await page.getByRole('option', { name: 'web', exact: true }).click();
  await refused;
  await expect(page.getByText('3 nodes', { exact: false }).first()).toBeVisible();
  await expect(page.getByText('SYN-2006')).toHaveCount(0);
});

test('what does not fit the nodes or the reason is told where it was written', async ({ page, demo }) => {
  await signIn(page, demo, 'dave', '/catalogue/shop/restart-service');
  await page.getByLabel('service').first().click();
  await page.getByRole('option', { name: 'web', exact: true }).click();
  const nodes = page.getByLabel('Nodes', { exact: true });
  for (const [selector, words] of [
    ['role in (', /.+/],
    ['role=nothing', /yields 0 nodes/],
  ] as const) {
    await nodes.fill(selector);
    await nodes.blur();
    await expect(nodes).toHaveAttribute('aria-invalid', 'true');
    await expect(nodes).toHaveAccessibleDescription(words);
  }
  await nodes.fill('role=web');
  await page.getByLabel('Why').fill('x'.repeat(2001));
  await expect(page.getByLabel('Why')).toHaveAttribute('aria-invalid', 'true');
  await expect(page.getByLabel('Why')).toHaveAccessibleDescription(/2000/);
});

test('whoever may not request may look', async ({ page, demo }) => {
  await signIn(page, demo, 'erin', '/catalogue');
  await expect(page.getByText('you may look, not request')).toBeVisible();
  await page.getByRole('link', { name: 'Restart a service' }).click();
  await expect(page.getByText('Requesting in shop takes the role requester there.')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Review' })).toHaveCount(0);
});

test('break-glass is a way of its own, says what follows, and wants a reason', async ({ page, demo }) => {
  await signIn(page, demo, 'carol', '/catalogue/shop/restart-service');
  await page.getByLabel('service').first().click();
  await page.getByRole('option', { name: 'web', exact: true }).click();
  await page.getByRole('button', { name: 'Review' }).click();
  const start = page.getByRole('button', { name: 'Start by break-glass…' });
  await expect(start).toBeDisabled();
  await expect(page.getByRole('button', { name: /^Request on/ })).toHaveCount(0);
  await page.getByRole('button', { name: 'Change something' }).click();
  await page.getByLabel('Why').fill('the shop is down');
  await page.getByRole('button', { name: 'Review' }).click();
  await start.click();
  await expect(page.getByText('Rule night allows 1 start a day on at most 3 nodes; this uses one.')).toBeVisible();
  await noSerious(page);
  await page.getByRole('button', { name: 'Start by break-glass on 3 nodes' }).click();
  await expect(page).toHaveURL(/\/runs\/[0-9a-z]+/);
});

test('a phone shows all of it without scrolling sideways', async ({ page, demo }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn(page, demo, 'dave', '/catalogue');
  await expect(page.getByRole('link', { name: 'Restart a service' })).toBeVisible();
  for (const path of ['/catalogue', '/catalogue/shop/restart-service']) {
    await page.goto(path);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  }
});
