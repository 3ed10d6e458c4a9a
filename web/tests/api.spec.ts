import { expect, noSerious, signIn, test } from './harness';

test('operations are found, read, and their schemas opened', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/api');
  const list = page.getByRole('navigation', { name: 'Operations' });
  await expect(list.getByRole('link').nth(60)).toBeAttached();
  await noSerious(page);
  await page.keyboard.press('/');
  await page.keyboard.type('join-tokens post');
  await expect(list.getByRole('link')).toHaveCount(1);
  await expect(page).toHaveURL(/q=join-tokens/);
  await list.getByRole('link').click();
  await expect(page.getByRole('heading', { name: /Makes a join token/ })).toBeVisible();
  await page.getByLabel('Search', { exact: true }).fill('no such thing');
  await expect(page.getByText('No operation contains “no such thing”.')).toBeVisible();
  await page.goto('/api?operation=run_get');
  const answers = page.getByRole('region', { name: 'Answers' });
  await answers.getByRole('button', { name: /^approvals/ }).click();
  await expect(answers.getByText('digest', { exact: true }).first()).toBeVisible();
  await noSerious(page);
});

test('a read is sent as the one who is signed in, and shows status, headers and body', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/api?operation=node_get');
  const place = page.getByRole('region', { name: 'Try it' });
  await place.getByRole('button', { name: 'Send' }).click();
  await expect(place.getByRole('textbox', { name: /^name/ })).toHaveAccessibleDescription(/It is required/);
  await place.getByRole('textbox', { name: /^name/ }).fill('web-1');
  await expect(place).toContainText("/api/v1/nodes/web-1'");
  await place.getByRole('button', { name: 'Send' }).click();
  const answer = page.getByRole('region', { name: 'Answer', exact: true });
  await expect(answer).toContainText('200');
  await expect(answer).toContainText('"name": "web-1"');
  await answer.getByText('Headers').click();
  await expect(answer).toContainText('content-type: application/json');
  await noSerious(page);
  // What refuses is shown as it came, too.
  await place.getByRole('textbox', { name: /^name/ }).fill('nobody');
  await place.getByRole('button', { name: 'Send' }).click();
  await expect(answer).toContainText('404');
  await expect(answer).toContainText('"code": "SYN-3000"');
});

test('what changes something asks before, and is checked before that', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/api?operation=node_update');
  const place = page.getByRole('region', { name: 'Try it' });
  await place.getByRole('textbox', { name: /^name/ }).fill('web-2');
  await place.getByLabel('Body', { exact: true }).fill('{"labels": {"tried": "yes"');
  await place.getByRole('button', { name: 'Send…' }).click();
  await expect(place.getByLabel('Body', { exact: true })).toHaveAccessibleDescription(/This is not JSON/);
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await place.getByLabel('Body', { exact: true }).fill('{"labels": {"tried": "yes"}}');
  await place.getByRole('button', { name: 'Send…' }).click();
  await expect(page.getByRole('dialog')).toContainText('PATCH /api/v1/nodes/web-2');
  await noSerious(page);
  await page.getByRole('button', { name: 'Back' }).click();
  expect(await demo.must<{ labels: Record<string, string> }>('alice', 'GET', '/api/v1/nodes/web-2')).not.toMatchObject({
    labels: { tried: 'yes' },
  });
  await place.getByRole('button', { name: 'Send…' }).click();
  await page.getByRole('button', { name: 'Send PATCH' }).click();
  await expect(page.getByRole('region', { name: 'Answer', exact: true })).toContainText('"tried": "yes"');
  await demo.must('alice', 'PATCH', '/api/v1/nodes/web-2', { labels: { tried: null } });
});

test('a stream that never ends is stopped', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/api?operation=event_list');
  const place = page.getByRole('region', { name: 'Try it' });
  await place.getByLabel('follow', { exact: true }).fill('true');
  await place.getByLabel('after', { exact: true }).fill('1');
  await place.getByRole('button', { name: 'Send' }).click();
  const answer = page.getByRole('region', { name: 'Answer', exact: true });
  await expect(answer).toContainText('synod.user.created');
  await place.getByRole('button', { name: 'Stop' }).click();
  await expect(answer).toContainText('Cut here');
});

test('who may not is refused in the server’s words', async ({ page, demo }) => {
  await signIn(page, demo, 'erin', '/api?operation=join_token_list');
  await page.getByRole('region', { name: 'Try it' }).getByRole('button', { name: 'Send' }).click();
  const answer = page.getByRole('region', { name: 'Answer', exact: true });
  await expect(answer).toContainText('403');
  await expect(answer).toContainText('SYN-2100');
});

test.describe('on a phone', () => {
  test.use({ viewport: { width: 390, height: 844 } });
  test('the list leads to an operation and back', async ({ page, demo }) => {
    await signIn(page, demo, 'alice', '/api');
    const list = page.getByRole('navigation', { name: 'Operations' });
    await list.getByRole('link', { name: /Lists nodes/ }).click();
    await expect(list).toBeHidden();
    expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
    await noSerious(page);
    await page.getByRole('button', { name: 'All operations' }).click();
    await expect(list).toBeVisible();
  });
});
