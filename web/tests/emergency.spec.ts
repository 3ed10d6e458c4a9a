import { expect, noSerious, requestRestart, signIn, testAlone } from './harness';

/** A demo of this file's own: its rule of break-glass allows one start a day. */
const test = testAlone();

test('a start by break-glass stands over every screen until an incident closes it', async ({ page, demo }) => {
  const about = ['-n', 'shop', '--input', 'service=web', '--target', 'role=web', '--reason', 'the shop is down'];
  await demo.cli(['break-glass', 'restart-service', ...about, '--yes', '--key', demo.user('carol').key ?? ''], 'carol');
  const { items } = await demo.must<{ items: { id: string }[] }>('alice', 'GET', '/api/v1/runs?unratified=true');
  const id = items[0]?.id ?? '';
  await signIn(page, demo, 'alice', '/nodes');
  const banner = page.getByRole('alert').filter({ hasText: 'Started by break-glass and not ratified yet' });
  await banner.getByRole('link', { name: /Restart a service by carol/ }).click();
  await expect(page.getByText('started this without waiting for others; not ratified yet')).toBeVisible();
  await noSerious(page);

  // Ratifying is signing, also where one has no key here.
  await page.getByRole('button', { name: 'Ratify', exact: true }).click();
  const sheet = page.getByRole('dialog', { name: /^Ratify: Restart a service/ });
  await expect(sheet.getByText('Your signature says afterwards that this start was right.')).toBeVisible();
  await expect(sheet.getByText(`synod ratify ${id}`)).toBeVisible();
  await noSerious(page);
  await page.keyboard.press('Escape');

  await page.getByRole('button', { name: 'Record an incident' }).click();
  const dialog = page.getByRole('dialog', { name: 'Record an incident?' });
  await expect(dialog.getByRole('button', { name: 'Record the incident' })).toBeDisabled();
  await dialog.getByLabel('Where the incident is kept').fill('INC-7');
  await dialog.getByLabel('What happened').fill('the load balancer lost its mind');
  await noSerious(page);
  await dialog.getByRole('button', { name: 'Record the incident' }).click();
  await expect(page.getByText('; closed by an incident.')).toBeVisible();
  await expect(banner).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Ratify', exact: true })).toHaveCount(0);
});

test('a time tells exactly when on hover', async ({ page, demo }) => {
  const id = await requestRestart(demo, 'role=web', 'when was that?');
  const { createdAt } = await demo.must<{ createdAt: string }>('dave', 'GET', `/api/v1/runs/${id}`);
  await signIn(page, demo, 'dave', `/runs/${id}?tab=timeline`);
  await page
    .locator(`time[datetime^="${createdAt.slice(0, 16)}"]`)
    .first()
    .hover();
  await expect(page.getByRole('tooltip')).toContainText(/UTC/);
  await expect(page.getByRole('tooltip')).toContainText(createdAt.slice(0, 16));
});
