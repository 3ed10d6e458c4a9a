import { expect, noSerious, requestRestart, signIn, test } from './harness';

/** Every screen that is reached by an address, with each tab that shows something else. */
const SCREENS = [
  '/',
  '/catalogue',
  '/catalogue/shop/restart-service',
  '/catalogue/shop/rotate-password',
  '/runs',
  '/runs/RUN',
  '/runs/RUN?tab=nodes',
  '/runs/RUN?tab=output',
  '/runs/RUN?tab=timeline',
  '/runs/RUN?tab=manifest',
  '/runs/RUN/compare/RUN',
  '/nodes',
  '/nodes/web-1',
  '/overview',
  '/history',
  '/events',
  '/audit',
  '/access',
  '/access?tab=groups',
  '/access?tab=roles',
  '/access?tab=namespaces',
  '/access?tab=policies',
  '/access?tab=matrix',
  '/trust',
  '/trust?tab=people',
  '/trust?tab=rules',
  '/trust?tab=history',
  '/trust?tab=next',
  '/templates',
  '/templates/shop/restart-service',
  '/templates/shop/restart-service?tab=history',
  '/api',
  '/me',
  '/me?tab=sign-in',
  '/me?tab=keys',
  '/me?tab=sessions',
  '/me?tab=appearance',
  '/no-such-place',
];

for (const theme of ['light', 'dark'] as const) {
  test.describe(theme, () => {
    test.use({ colorScheme: theme });

    test('axe finds nothing serious on any screen', async ({ page, demo }) => {
      test.setTimeout(600_000);
      const run = await requestRestart(demo, 'role=web', `looked at in ${theme}`);
      await page.goto('/sign-in');
      await expect(page.getByRole('button', { name: 'Sign in', exact: true })).toBeVisible();
      await noSerious(page);
      await signIn(page, demo, 'alice');
      await expect(page.locator('html')).toHaveAttribute('data-mantine-color-scheme', theme);
      for (const path of SCREENS) {
        await test.step(path, async () => {
          await page.goto(path.replaceAll('RUN', run));
          await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
          await expect(page.getByRole('status').filter({ hasText: 'Loading' })).toHaveCount(0);
          await noSerious(page);
        });
      }
      // What is decided by: the sheet over the inbox.
      await page.goto('/');
      await page.getByRole('article').first().getByRole('button', { name: 'Approve' }).click();
      await expect(page.getByRole('dialog').getByText('Checked by your browser')).toBeVisible();
      await noSerious(page);
    });
  });
}
