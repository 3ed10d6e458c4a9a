import { expect, requestRestart, signIn, test } from './harness';

test('keys lead to screens, show themselves, and belong to a dialog while one is open', async ({ page, demo }) => {
  await signIn(page, demo, 'alice');
  for (const [key, title] of [
    ['n', 'Nodes'],
    ['a', 'Access'],
    ['m', 'Me'],
    ['i', 'Inbox'],
  ] as const) {
    await page.keyboard.press('g');
    await page.keyboard.press(key);
    await expect(page.getByRole('heading', { level: 1, name: title })).toBeVisible();
    await expect(page.getByRole('dialog')).toHaveCount(0);
  }
  await page.keyboard.press('?');
  const help = page.getByRole('dialog', { name: 'Keys' });
  await expect(help).toBeVisible();
  await page.keyboard.press('g');
  await page.keyboard.press('n');
  await expect(help).toBeVisible();
  await expect(page.getByRole('heading', { level: 1, name: 'Inbox', includeHidden: true })).toBeAttached();
  await page.keyboard.press('Escape');
  await expect(help).toHaveCount(0);
});

test('`a` asks to approve: the run that is shown, in the inbox the card in focus or else the first', async ({ page, demo }) => {
  const first = await requestRestart(demo, 'role=web', 'the first by key');
  const second = await requestRestart(demo, 'env=staging', 'the second by key');
  await signIn(page, demo, 'bob', `/runs/${first}`);
  await expect(page.getByRole('button', { name: /^Approve/ })).toBeVisible();
  // The second half of another shortcut does not approve.
  await page.keyboard.press('g');
  await page.keyboard.press('a');
  await expect(page.getByRole('heading', { level: 1, name: 'Access' })).toBeVisible();
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await page.goBack();
  await expect(page.getByRole('button', { name: /^Approve/ })).toBeVisible();
  await page.keyboard.press('a');
  await expect(page.getByRole('dialog', { name: /^Approve: / })).toBeVisible();
  await page.keyboard.press('Escape');

  await page.goto('/');
  const cards = page.getByRole('article');
  await expect(cards.first().getByRole('button', { name: 'Approve' })).toBeVisible();
  await page.keyboard.press('a');
  const sheet = page.getByRole('dialog', { name: /^Approve: / });
  await expect(sheet).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(sheet).toHaveCount(0);
  await cards.filter({ hasText: 'the second by key' }).focus();
  await page.keyboard.press('a');
  await expect(sheet).toContainText(second);
});
