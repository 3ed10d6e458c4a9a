import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Demo, expect, noSerious, type Page, signIn, test } from './harness';

/** Somebody of the test's own, since passwords and sessions of the demo's people are shared. */
async function somebody(demo: Demo): Promise<{ name: string; password: string }> {
  const name = `pat-${Date.now().toString(36)}`;
  const password = `${name}-password`;
  await demo.must('alice', 'POST', '/api/v1/users', { name, password, displayName: 'Pat Doe' });
  return { name, password };
}

async function as(page: Page, who: { name: string; password: string }, tab: string): Promise<void> {
  await page.goto(`/sign-in?next=${encodeURIComponent(`/me?tab=${tab}`)}`);
  await page.getByLabel('User', { exact: true }).fill(who.name);
  await page.getByLabel('Password', { exact: true }).fill(who.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Me' })).toBeVisible();
}

test('every tab can be used by everybody, on a phone, in both themes', async ({ page, demo }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn(page, demo, 'erin', '/me');
  await expect(page.getByText('viewer in shop')).toBeVisible();
  for (const scheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const tab of ['You', 'Sign-in', 'Keys', 'Sessions', 'Appearance']) {
      await page.getByRole('tab', { name: tab }).click();
      await expect(page.getByRole('tab', { name: tab })).toHaveAttribute('aria-selected', 'true');
      await expect(page.getByRole('status')).toHaveCount(0);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
      await noSerious(page);
    }
  }
  await page.reload();
  await expect(page.getByRole('tab', { name: 'Appearance' })).toHaveAttribute('aria-selected', 'true');
});

test('somebody without a role is told what to do', async ({ page, demo }) => {
  await as(page, await somebody(demo), 'you');
  await expect(page.getByText('You hold no role yet')).toBeVisible();
  await expect(page.getByText('Pat Doe', { exact: true })).toBeVisible();
  await page.getByRole('tab', { name: 'Keys' }).click();
  await expect(page.getByText('You have registered none.')).toBeVisible();
  await expect(page.getByText('You have none.')).toBeVisible();
});

test('SSH keys are added, told apart from nonsense, and removed', async ({ page, demo }) => {
  const folder = mkdtempSync(join(tmpdir(), 'synod-key-'));
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'pat@laptop', '-f', join(folder, 'key')]);
  const line = readFileSync(join(folder, 'key.pub'), 'utf8');
  const secret = readFileSync(join(folder, 'key'), 'utf8');
  rmSync(folder, { recursive: true });

  await as(page, await somebody(demo), 'keys');
  await page.getByRole('button', { name: 'Add an SSH key' }).click();
  const add = page.getByRole('button', { name: 'Add the key' });
  await add.click();
  await expect(page.getByText('Paste the line of the .pub file.')).toBeVisible();
  await page.getByLabel('Public key').fill(secret);
  await expect(page.getByText('This is a private key.')).toBeVisible();
  await page.getByLabel('Public key').fill('ssh-ed25519 AAAAbroken');
  await expect(page.getByText('The key has no comment: give it a name.')).toBeVisible();
  await page.getByLabel('Name').fill('laptop');
  await add.click();
  await expect(page.getByText(/not an OpenSSH public key/)).toBeVisible();
  await expect(page.getByLabel('Public key')).toHaveValue('ssh-ed25519 AAAAbroken');
  await noSerious(page);
  await page.getByLabel('Public key').fill(line);
  await page.getByLabel('Name').fill('');
  await add.click();
  await expect(page.getByRole('button', { name: 'Remove pat@laptop' })).toBeVisible();
  await expect(page.getByText('in the trust root')).toHaveCount(0);

  await page.getByRole('button', { name: 'Remove pat@laptop' }).click();
  await page.getByRole('button', { name: 'Remove “pat@laptop”' }).click();
  await expect(page.getByText('You have registered none.')).toBeVisible();
});

test('an API key is shown once, works, and is refused after it was revoked', async ({ page, demo }) => {
  await as(page, await somebody(demo), 'keys');
  await page.getByRole('button', { name: 'Make an API key' }).click();
  await page.getByRole('button', { name: 'Make the key' }).click();
  await expect(page.getByText('Say what it is for.')).toBeVisible();
  await page.getByLabel('Name').fill('backup job');
  await page.getByRole('button', { name: 'Make the key' }).click();
  await expect(page.getByText('This is the only time it is shown')).toBeVisible();
  const key = await page.locator('pre').first().innerText();
  await noSerious(page);
  const whoami = () => page.request.get('/api/v1/auth/whoami', { headers: { authorization: `Bearer ${key}`, cookie: '' } });
  expect((await whoami()).status()).toBe(200);
  await page.getByRole('button', { name: 'I have copied it' }).click();
  await expect(page.getByText(key)).toHaveCount(0);

  await page.getByRole('button', { name: 'Revoke backup job' }).click();
  await page.getByRole('button', { name: 'Revoke “backup job”' }).click();
  await expect(page.getByText('None of your keys is good any more.')).toBeVisible();
  expect((await whoami()).status()).toBe(401);
  await page.getByLabel('Show expired and revoked keys').check();
  await expect(page.getByText('revoked', { exact: true })).toBeVisible();
});

test('sessions elsewhere are shown and ended', async ({ page, demo }) => {
  const who = await somebody(demo);
  const elsewhere = await demo.must<{ token: string }>('', 'POST', '/api/v1/auth/login', { user: who.name, password: who.password });
  await as(page, who, 'sessions');
  await expect(page.getByText('this one', { exact: true })).toBeVisible();
  await expect(page.getByRole('button', { name: /^End the session/ })).toHaveCount(1);
  await page.getByRole('button', { name: 'Sign out everywhere else' }).click();
  await page.getByRole('button', { name: 'End the other session' }).click();
  await expect(page.getByRole('button', { name: /^End the session/ })).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Sign out everywhere else' })).toBeDisabled();
  const dead = await page.request.get('/api/v1/auth/whoami', { headers: { authorization: `Bearer ${elsewhere.token}`, cookie: '' } });
  expect(dead.status()).toBe(401);
});

test('the password is changed, and what is wrong is told at its field', async ({ page, demo }) => {
  const who = await somebody(demo);
  await as(page, who, 'sign-in');
  const change = page.getByRole('button', { name: 'Change the password' });
  await change.click();
  await expect(page.getByText('Enter your present password.')).toBeVisible();
  await page.getByLabel('Present password', { exact: true }).fill('this is not it');
  await page.getByLabel('New password', { exact: true }).fill('a-much-newer-one');
  await page.getByLabel('New password again', { exact: true }).fill('a-much-newer');
  await expect(page.getByText('The two are not the same.')).toBeVisible();
  await page.getByLabel('New password again', { exact: true }).fill('a-much-newer-one');
  await change.click();
  await expect(page.getByText('This is not your present password.')).toBeVisible();
  await expect(page.getByLabel('New password', { exact: true })).toHaveValue('a-much-newer-one');
  await page.getByLabel('Present password', { exact: true }).fill(who.password);
  await page.getByLabel('New password', { exact: true }).fill('short');
  await page.getByLabel('New password again', { exact: true }).fill('short');
  await change.click();
  await expect(page.getByText('a password has 10 to 1024 characters')).toBeVisible();
  await page.getByLabel('New password', { exact: true }).fill('a-much-newer-one');
  await page.getByLabel('New password again', { exact: true }).fill('a-much-newer-one');
  await change.click();
  await expect(page.getByText('The password is changed.')).toBeVisible();
  await page.context().clearCookies();
  await as(page, { ...who, password: 'a-much-newer-one' }, 'you');
});

test('the theme is kept', async ({ page, demo }) => {
  await signIn(page, demo, 'erin', '/me?tab=appearance');
  await page.getByText('Dark', { exact: true }).click();
  await expect(page.locator('html')).toHaveAttribute('data-mantine-color-scheme', 'dark');
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('data-mantine-color-scheme', 'dark');
  await expect(page.getByRole('radio', { name: 'Dark' })).toBeChecked();
});
