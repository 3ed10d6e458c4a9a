import { readFileSync, writeFileSync } from 'node:fs';
import { type Demo, expect, noSerious, signIn, test } from './harness';

interface Trust {
  root?: { version: number; digest: string } | null;
}

const trust = (demo: Demo) => demo.must<Trust>('alice', 'GET', '/api/v1/trust');
const keyOf = (demo: Demo, name: string): string => demo.user(name).key ?? '';

test('what is in force, whose it is, and what would break if somebody left', async ({ page, demo }) => {
  const { root } = await trust(demo);
  await signIn(page, demo, 'erin', '/trust');
  await expect(page.getByText(root?.digest ?? 'no root')).toBeVisible();
  await expect(page.getByText('of 3 holders must sign a root')).toBeVisible();
  await expect(page.getByRole('link', { name: /^3\s*enforce/ })).toBeVisible();
  await expect(page.getByText(/rule restarts: 2 with role approver/)).toBeVisible();
  await page.getByRole('tab', { name: 'People and keys' }).click();
  const carol = page.getByRole('article', { name: 'carol' });
  await expect(carol.getByText('ssh-ed25519')).toBeVisible();
  await expect(carol.getByText(/^SHA256:/)).toBeVisible();
  await expect(carol.getByText(/all 2 holders must sign the next version/)).toBeVisible();
  await page.getByRole('tab', { name: 'Rules' }).click();
  const rule = page.getByRole('article', { name: 'Rule restarts' });
  await expect(rule).toContainText('shop/restart-service on every node');
  await expect(rule).toContainText('1 may be missing');
  await expect(page.getByText('carol may start shop/restart-service on every node alone, 1 run a day, on at most 3 nodes.')).toBeVisible();
});

test('who may not publish is told who may, and still shown how', async ({ page, demo }) => {
  await signIn(page, demo, 'erin', '/trust?tab=next');
  await expect(page.getByText('synod trust rotate')).toBeVisible();
  await expect(page.getByText('Publishing takes the role owner everywhere.')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Choose files' })).toBeHidden();
});

test('a signed root is looked over and published; what is none, or not signed by enough, is not', async ({ page, demo }) => {
  const version = ((await trust(demo)).root?.version ?? 0) + 1;
  const draft = test.info().outputPath('draft.json');
  await demo.cli(['trust', 'propose', '--add-group', `shift-${version}=bob`, '--out', draft], 'alice');
  const unsigned = readFileSync(draft, 'utf8');
  const copies = [];
  for (const name of ['alice', 'bob']) {
    const copy = test.info().outputPath(`${name}.json`);
    writeFileSync(copy, unsigned);
    await demo.cli(['trust', 'sign', copy, '--yes', '--key', keyOf(demo, name)], name);
    copies.push(copy);
  }

  await signIn(page, demo, 'alice', '/trust?tab=next');
  const look = page.getByRole('button', { name: 'Look it over' });
  await expect(look).toBeDisabled();
  await page.getByLabel('Signed root').fill('no json');
  await look.click();
  await expect(page.getByText('This is no JSON.')).toBeVisible();
  await expect(page.getByLabel('Signed root')).toHaveValue('no json');

  await page.getByLabel('Signed root').fill(unsigned);
  await look.click();
  await page.getByRole('button', { name: `Publish version ${version}` }).click();
  await page
    .getByRole('button', { name: `Publish version ${version}` })
    .last()
    .click();
  await expect(page.getByRole('alert').getByText('SYN-4103')).toBeVisible();
  await page.getByRole('button', { name: 'Back', exact: true }).click();

  await page.locator('input[type=file]').setInputFiles(copies);
  await look.click();
  const would = page.getByRole('region', { name: 'What it would change' });
  await expect(would.getByText(`bob gains the group shift-${version}`)).toBeVisible();
  await expect(would.getByText('2 signatures')).toBeVisible();
  await noSerious(page);
  await page.getByRole('button', { name: `Publish version ${version}` }).click();
  await page
    .getByRole('button', { name: `Publish version ${version}` })
    .last()
    .click();
  await expect(page.getByText(`Version ${version} is published, signed by alice, bob.`)).toBeVisible();
  await page.getByRole('tab', { name: 'Versions' }).click();
  await expect(page.getByRole('heading', { name: `Version ${version}, in force` })).toBeVisible();
  await expect(page.getByText(`bob gains the group shift-${version}`)).toBeVisible();
});

test('without a root, the way to the first one is taught', async ({ page, demo }) => {
  const { root: _, ...without } = await trust(demo);
  await page.route('**/api/v1/trust', (route) => route.fulfill({ json: without }));
  await signIn(page, demo, 'alice', '/trust');
  await expect(page.getByRole('heading', { name: 'No trust root yet' })).toBeVisible();
  await expect(page.getByText('--principal alice=account')).toBeVisible();
  await noSerious(page);
});

test('a root that is about to end says so', async ({ page, demo }) => {
  const answer = await trust(demo);
  const soon = { ...answer, root: { ...answer.root, expiresAt: new Date(Date.now() + 86_400_000).toISOString() }, unratified: 2 };
  await page.route('**/api/v1/trust', (route) => route.fulfill({ json: soon }));
  await signIn(page, demo, 'alice', '/trust');
  await expect(page.getByText('The root expires soon')).toBeVisible();
  await expect(page.getByText('2 runs were started by break-glass')).toBeVisible();
});

test('a phone shows all of it without scrolling sideways', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/trust');
  await page.setViewportSize({ width: 390, height: 844 });
  for (const tab of ['root', 'people', 'rules', 'history', 'next']) {
    await page.goto(`/trust?tab=${tab}`);
    await expect(page.getByRole('tabpanel')).not.toBeEmpty();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  }
});
