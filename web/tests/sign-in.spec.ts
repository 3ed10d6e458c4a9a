import { Fresh, totp } from './fresh';
import { expect, noSerious, type Page, signIn, test, virtualAuthenticator } from './harness';

const enter = (page: Page) => page.getByRole('button', { name: 'Sign in', exact: true });
const user = (page: Page) => page.getByLabel('User', { exact: true });
const password = (page: Page) => page.getByLabel('Password', { exact: true });

test('wrong and missing words are told at their fields, and nothing typed is lost', async ({ page, demo }) => {
  await page.goto('/sign-in');
  await enter(page).click();
  await expect(page.getByText('Enter the name of your account.')).toBeVisible();
  await expect(page.getByText('Enter your password.')).toBeVisible();
  await user(page).fill('dave');
  await password(page).fill('not the password');
  await enter(page).click();
  await expect(page.getByText('Name or password is wrong.')).toBeVisible();
  await expect(user(page)).toHaveValue('dave');
  await expect(password(page)).toHaveValue('not the password');
  await noSerious(page);
  await password(page).fill(demo.user('dave').password);
  await enter(page).click();
  await expect(page.getByRole('button', { name: 'Account of dave' })).toBeVisible();
});

test('leads back to where one was, and never to another site', async ({ page, demo }) => {
  await page.goto('/me?tab=keys');
  await expect(page).toHaveURL(/\/sign-in\?next=/);
  await user(page).fill('erin');
  await password(page).fill(demo.user('erin').password);
  await enter(page).click();
  await expect(page.getByRole('heading', { name: 'API keys' })).toBeVisible();
  expect(new URL(page.url()).search).toBe('?tab=keys');
  for (const next of ['//evil.example/x', 'https://evil.example', '/\\evil.example', '/\t/evil.example']) {
    await signIn(page, demo, 'erin', next);
    expect(new URL(page.url()).origin + new URL(page.url()).pathname).toBe(`${demo.url}/`);
  }
});

test('what every screen needs is asked for once, and the screen does not wait for it', async ({ page, demo }) => {
  await signIn(page, demo, 'erin', '/me');
  const asked: string[] = [];
  let screenAsked = () => {};
  const screen = new Promise<void>((resolve) => (screenAsked = resolve));
  page.on('request', (request) => {
    const url = request.url().slice(demo.url.length);
    asked.push(url);
    if (/^\/assets\/nodes-[^/]*\.js$/.test(url)) screenAsked();
  });
  await page.route('**/api/v1/auth/whoami', async (route) => {
    await screen;
    await route.continue();
  });
  await page.goto('/nodes');
  await expect(page.getByRole('list', { name: 'Nodes' }).getByRole('listitem').first()).toBeVisible();
  const times = (what: string) => asked.filter((url) => url === what).length;
  expect(times('/api/v1/auth/whoami'), 'who is signed in').toBe(1);
  expect(times('/api/v1/events?newest=true&limit=1'), 'where events begin').toBe(1);
});

test('says that the session ended', async ({ page, demo }) => {
  await signIn(page, demo, 'erin', '/me');
  await page.context().clearCookies();
  // Whatever is read next shows it: the tab's list, or what an event made stale before the click came.
  await page
    .getByRole('tab', { name: 'Sessions' })
    .click({ timeout: 5000 })
    .catch(() => undefined);
  await expect(page.getByText('Your session ended')).toBeVisible();
  await noSerious(page);
  await user(page).fill('erin');
  await password(page).fill(demo.user('erin').password);
  await enter(page).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Me' })).toBeVisible();
});

test('says how long a name must wait after too many failures', async ({ page, demo }) => {
  const name = `nobody-${Date.now()}`;
  for (let failures = 0; failures < 9;) {
    const body = { user: name, password: 'wrong wrong wrong' };
    const answer = await demo.call<{ retryAfterS?: number }>('', 'POST', '/api/v1/auth/login', body);
    if (answer.status === 401) failures++;
    else await page.waitForTimeout((answer.body.retryAfterS ?? 1) * 1000);
  }
  await page.goto('/sign-in');
  await user(page).fill(name);
  await password(page).fill('wrong wrong wrong');
  await enter(page).click();
  await expect(page.getByRole('alert')).toContainText(/Try again in \d+ s/);
  await expect(enter(page)).toBeDisabled();
  await expect(enter(page)).toBeEnabled({ timeout: 25_000 });
});

test.describe('a new server', () => {
  let fresh: Fresh;
  test.beforeAll(async () => {
    // What was confirmed is soon old here.
    fresh = await Fresh.start({ stepUpFor: '3s' });
  });
  test.afterAll(async () => fresh.stop());

  test('is set up, asks for the second factor, takes passkeys, and confirms by either', async ({ page }) => {
    test.setTimeout(180_000);
    await page.setViewportSize({ width: 390, height: 844 });
    await page.goto(`${fresh.url}/sign-in`);
    await expect(page.getByRole('heading', { level: 1, name: 'Set up Synod' })).toBeVisible();
    await noSerious(page);
    const create = page.getByRole('button', { name: 'Create the account' });

    await create.click();
    for (const words of ['Paste the token.', 'Enter a name.', 'Choose a password.']) await expect(page.getByText(words)).toBeVisible();
    await page.getByLabel('Bootstrap token').fill('not-the-token');
    await page.getByLabel('Your name').fill('Ada Lovelace');
    await password(page).fill('too short');
    await page.getByLabel('Password again').fill('too shor');
    await expect(page.getByText('The two are not the same.')).toBeVisible();
    await page.getByLabel('Password again').fill('too short');
    await create.click();
    await expect(page.getByLabel('Your name')).toHaveAttribute('aria-invalid', 'true');
    await page.getByLabel('Your name').fill('ada');
    await create.click();
    await expect(page.getByText('a password has 10 to 1024 characters')).toBeVisible();
    await password(page).fill('ada-has-a-password');
    await page.getByLabel('Password again').fill('ada-has-a-password');
    await create.click();
    await expect(page.getByText('This is not the token.')).toBeVisible();
    await page.getByLabel('Bootstrap token').fill(fresh.bootstrapToken);
    await create.click();

    await page.getByRole('button', { name: 'Enrol an authenticator' }).click();
    const qr = page.getByRole('img', { name: /QR code/ });
    await expect(qr).toBeVisible();
    expect(await qr.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBeGreaterThan(100);
    const secret = await page.locator('pre').innerText();
    await noSerious(page);
    await page.getByLabel('Code').fill('000000');
    await expect(page.getByText('The code is wrong.')).toBeVisible();
    // A code of the step before, so that those of this step and the next are left to be used.
    await page.getByLabel('Code').fill(totp(secret, -1));
    await expect(page.getByRole('heading', { name: 'Join a node' })).toBeVisible();
    await noSerious(page);
    await page.getByRole('link', { name: 'Open: Add a passkey' }).click();
    await expect(page.getByRole('heading', { name: 'Passkeys' })).toBeVisible();
    await expect(page.getByText('in force', { exact: true })).toBeVisible();

    // Set-up is over: its address leads to the sign-in.
    await signOut(page, 'ada');
    await page.goto(`${fresh.url}/setup`);
    await expect(page.getByRole('heading', { level: 1, name: 'Sign in' })).toBeVisible();
    await user(page).fill('ada');
    await password(page).fill('ada-has-a-password');
    await enter(page).click();
    await expect(page.getByText('your account asks for a second factor')).toBeVisible();
    await page.getByLabel('Code').fill('000000');
    await expect(page.getByText('The code is wrong, or was used before.')).toBeVisible();
    await noSerious(page);
    await page.getByLabel('Code').fill(totp(secret));
    await expect(page.getByRole('button', { name: 'Account of ada' })).toBeVisible();

    // What is confirmed is old by now: the authenticator's next code confirms, then a passkey is made.
    await virtualAuthenticator(page);
    await page.goto(`${fresh.url}/me?tab=sign-in`);
    await page.waitForTimeout(3500);
    await page.getByRole('button', { name: 'Add a passkey' }).click();
    await page.getByRole('button', { name: 'Continue' }).click();
    await expect(page.getByText('Give it a name.')).toBeVisible();
    await page.getByLabel('Name').fill('my phone');
    await page.getByRole('button', { name: 'Continue' }).click();
    const confirm = page.getByRole('dialog', { name: 'Confirm that it is you' });
    await expect(confirm).toBeVisible();
    await noSerious(page);
    await confirm.getByLabel('Code').fill('000000');
    await expect(confirm.getByText('The code is wrong, or was used before.')).toBeVisible();
    await confirm.getByLabel('Code').fill(totp(secret, 1));
    await expect(page.getByRole('button', { name: 'Remove my phone' })).toBeVisible();
    await expect(page.getByText(/^passkey:/)).toBeVisible();
    await noSerious(page);

    // The passkey signs in, without a name.
    await signOut(page, 'ada');
    const byPasskey = page.getByRole('button', { name: 'Sign in with a passkey' });
    const inside = page.getByRole('button', { name: 'Account of ada' });
    await expect(byPasskey.or(inside)).toBeVisible();
    // This authenticator answers the list under the field by itself, as soon as it is offered.
    if (await byPasskey.isVisible()) await byPasskey.click({ timeout: 2000 }).catch(() => undefined);
    await expect(inside).toBeVisible();

    // And it confirms.
    await page.goto(`${fresh.url}/me?tab=sign-in`);
    await page.waitForTimeout(3500);
    await page.getByRole('button', { name: 'Remove my phone' }).click();
    await page.getByRole('button', { name: 'Remove “my phone”' }).click();
    await confirm.getByRole('button', { name: 'Use a passkey' }).click();
    await expect(page.getByText('You have none yet.')).toBeVisible();
  });
});

async function signOut(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name: `Account of ${name}` }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
}
