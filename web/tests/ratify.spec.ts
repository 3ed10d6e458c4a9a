import { expect, registerPasskey, signIn, takeIntoRoot, testAlone, virtualAuthenticator } from './harness';

/** A demo of this file's own: its trust root is changed, and its rule of break-glass allows one start a day. */
const test = testAlone();

test('a start by break-glass is ratified, by passkey and by the command that is shown, until enough have', async ({
  page,
  demo,
  browser,
}) => {
  await signIn(page, demo, 'bob', '/nodes');
  await virtualAuthenticator(page);
  await registerPasskey(page);
  await takeIntoRoot(demo, ['bob']);
  const about = ['-n', 'shop', '--input', 'service=web', '--target', 'role=web', '--reason', 'the shop is down'];
  await demo.cli(['break-glass', 'restart-service', ...about, '--yes', '--key', demo.user('carol').key ?? ''], 'carol');
  const unratified = async () => (await demo.must<{ items: { id: string }[] }>('alice', 'GET', '/api/v1/runs?unratified=true')).items;
  const id = (await unratified())[0]?.id ?? '';

  // It comes by itself, and leads there.
  const banner = page.getByRole('alert').filter({ hasText: 'Started by break-glass and not ratified yet' });
  await banner.getByRole('link', { name: /Restart a service by carol/ }).click();
  const ratify = page.getByRole('button', { name: 'Ratify', exact: true });
  await ratify.click();
  const sheet = page.getByRole('dialog', { name: /^Ratify: Restart a service/ });
  await sheet.getByLabel('Comment').fill('it was right');
  await sheet.getByRole('button', { name: 'Sign and ratify' }).click();
  await expect(page.getByText('You ratified “Restart a service” on 3 nodes.')).toBeVisible();
  await expect(sheet).toHaveCount(0);

  // One of two: it is still on everybody's list, and whoever has signed is not asked again.
  await expect(page.getByText('; not ratified yet. So far by bob; it takes as many')).toBeVisible();
  await expect(banner).toBeVisible();
  await expect(ratify).toHaveCount(0);
  expect(await unratified()).toHaveLength(1);

  // The one who started it is not asked; another has no key here, and signs where it is.
  const carol = await browser.newPage({ baseURL: demo.url, ignoreHTTPSErrors: true });
  await signIn(carol, demo, 'carol', `/runs/${id}`);
  await expect(carol.getByRole('button', { name: 'Record an incident' })).toBeVisible();
  await expect(carol.getByRole('button', { name: 'Ratify', exact: true })).toHaveCount(0);
  const alice = await browser.newPage({ baseURL: demo.url, ignoreHTTPSErrors: true });
  await signIn(alice, demo, 'alice', `/runs/${id}`);
  await alice.getByRole('button', { name: 'Ratify', exact: true }).click();
  await alice.getByRole('dialog').getByLabel('Comment').fill('looked');
  const command = await alice.getByRole('dialog').locator('pre').innerText();
  expect(command).toBe(`synod ratify ${id} --comment looked`);
  await alice.keyboard.press('Escape');
  await demo.cli([...command.split(' ').slice(1), '--yes', '--key', demo.user('alice').key ?? ''], 'alice');

  for (const one of [page, carol, alice]) {
    await expect(one.getByText('; ratified after the fact.')).toBeVisible();
    await expect(one.getByRole('alert').filter({ hasText: 'not ratified yet' })).toHaveCount(0);
    await expect(one.getByRole('button', { name: 'Ratify', exact: true })).toHaveCount(0);
    await expect(one.getByRole('button', { name: 'Record an incident' })).toHaveCount(0);
  }
  await page.getByRole('tab', { name: 'Timeline' }).click();
  await expect(page.getByText('Ratification given')).toHaveCount(2);
  expect(await unratified()).toEqual([]);
  await carol.close();
  await alice.close();
});
