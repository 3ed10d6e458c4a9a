import { expect, noSerious, type Page, signIn, test } from './harness';

const editor = (page: Page) => page.locator('.cm-content[contenteditable=true]');

/** Puts a text in the place of what the editor has. */
async function write(page: Page, text: string): Promise<void> {
  await editor(page).click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText(text);
}

const small = (title: string, name = 'made-here') =>
  `apiVersion: synod/v1\nkind: Template\nmetadata: { namespace: shop, name: ${name} }\nspec:\n  title: ${title}\n  approval: { rules: [] }\n  steps: [{ name: a, run: echo }]\n`;

test('a new one is begun from an explained example, checked, and saved', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/templates');
  await page.getByRole('link', { name: 'New template' }).click();
  await expect(editor(page)).toContainText('writeOnly');
  await noSerious(page);
  await write(page, small('Made here').replace('approval', 'aproval'));
  await expect(page.getByText(/Line 5.*the field `approval` is missing|Line 4.*the field `approval` is missing/)).toBeVisible();
  await expect(page.getByText(/did you mean `approval`/)).toBeVisible();
  await expect(page.getByRole('button', { name: 'Review and save' })).toBeDisabled();
  await write(page, small('Made here'));
  await expect(page.getByText('Nothing is wrong with it. Saving makes it revision 1.')).toBeVisible();
  await page.getByRole('button', { name: 'Review and save' }).click();
  await page.getByRole('button', { name: 'Create made-here' }).click();
  await expect(page).toHaveURL(/\/templates\/shop\/made-here/);
  await expect(page.getByRole('heading', { level: 1, name: 'Made here' })).toBeVisible();
});

test('the editor comes by itself, its text before it, and nothing moves when it is there', async ({ page, demo }) => {
  let letThrough = () => {};
  let held = Promise.resolve();
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  await page.route(/\/assets\/code-[^/]*\.js$/, async (route) => {
    await held;
    await route.continue();
  });
  await signIn(page, demo, 'alice', '/templates');
  await expect(page.getByRole('link', { name: 'Restart a service' })).toBeVisible();
  expect(asked.filter((url) => /\/assets\/(code|extensions)-/.test(url))).toEqual([]);
  for (const path of ['/templates/shop/restart-service', '/templates?new=shop']) {
    held = new Promise((resolve) => (letThrough = resolve));
    await page.goto(path);
    await expect(page.locator('pre').filter({ hasText: 'apiVersion: synod/v1' })).toBeVisible();
    await expect(editor(page)).toHaveCount(0);
    const below = page.getByText('Ctrl+Space completes');
    await expect(below).toBeVisible();
    const before = await below.boundingBox();
    letThrough();
    await expect(editor(page)).toContainText('apiVersion: synod/v1');
    expect((await below.boundingBox())?.y).toBeCloseTo(before?.y ?? NaN, 0);
  }
});

test('what is no YAML, and what a script gets wrong, is told with its line', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/templates?new=shop');
  await write(page, 'a: [1\nb: 2');
  await expect(page.getByText(/Line \d/).first()).toBeVisible();
  await write(page, small('X').replace('run: echo', 'run: "echo {{ inputs.none }}"'));
  await expect(page.getByText(/Line 7.*there is no input `none`/)).toBeVisible();
});

test('what cannot be read is not looked over, by key neither', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/templates/shop/count-slowly');
  await write(page, 'title: [broken');
  await page.keyboard.press('Control+s');
  await expect(page.getByText(/Line \d/).first()).toBeVisible();
  await expect(page.getByRole('button', { name: 'Review and save' })).toBeDisabled();
  await page.keyboard.press('Control+s');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(page.getByText('The server cannot be reached.')).toHaveCount(0);
  await page.getByRole('button', { name: 'Undo all' }).click();
});

test('the difference is shown before saving, and the history gives any revision back', async ({ page, demo }) => {
  await demo.must('alice', 'POST', '/api/v1/apply', {
    documents: [
      {
        apiVersion: 'synod/v1',
        kind: 'Template',
        metadata: { namespace: 'shop', name: 'changing' },
        spec: { title: 'First words', approval: { rules: [] }, steps: [{ name: 'a', run: 'echo' }] },
      },
    ],
  });
  await signIn(page, demo, 'alice', '/templates/shop/changing');
  await write(page, small('Second words', 'changing'));
  await page.getByRole('button', { name: 'Review and save' }).click();
  await expect(page.getByRole('dialog').getByText('becomes revision 2')).toBeVisible();
  await noSerious(page);
  await page.getByRole('button', { name: 'Save as revision 2' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Second words' })).toBeVisible();
  await page.getByRole('tab', { name: 'History' }).click();
  await expect(page.getByRole('group', { name: 'What differs between Revision 1 and Revision 2' })).toBeVisible();
  await noSerious(page);
  await page.getByRole('button', { name: 'Restore revision 1' }).click();
  await page.getByRole('button', { name: 'Save revision 1 as revision 3' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'First words' })).toBeVisible();
});

test('nobody overwrites what somebody else saved meanwhile', async ({ page, demo }) => {
  const document = (title: string) => ({
    apiVersion: 'synod/v1',
    kind: 'Template',
    metadata: { namespace: 'shop', name: 'contested' },
    spec: { title, approval: { rules: [] }, steps: [{ name: 'a', run: 'echo' }] },
  });
  await demo.must('alice', 'POST', '/api/v1/apply', { documents: [document('Begun')] });
  await signIn(page, demo, 'alice', '/templates/shop/contested');
  await write(page, small('Mine', 'contested'));
  await demo.must('alice', 'POST', '/api/v1/apply', { documents: [document('Theirs')] });
  await expect(page.getByText('Somebody changed it meanwhile').first()).toBeVisible();
  await expect(editor(page)).toContainText('Mine');
  await page.getByRole('button', { name: 'Go on with mine, on top of theirs' }).click();
  await page.getByRole('button', { name: 'Review and save' }).click();
  await page.getByRole('button', { name: 'Save as revision 3' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Mine' })).toBeVisible();
});

test('unsaved text is not lost by leaving', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/templates/shop/count-slowly');
  await expect(editor(page)).toContainText('count-slowly');
  await write(page, small('Unsaved', 'count-slowly'));
  await page.getByRole('link', { name: 'Runs' }).first().click();
  await expect(page.getByRole('dialog', { name: 'Leave without saving?' })).toBeVisible();
  await page.getByRole('button', { name: 'Leave', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Runs' })).toBeVisible();
  await page.goBack();
  await expect(page.getByText('Your unsaved text of before is back.')).toBeVisible();
  await page.getByRole('button', { name: 'Drop it' }).click();
  await expect(editor(page)).toContainText('Count slowly');
});

test('is disabled, enabled and deleted by name', async ({ page, demo }) => {
  await demo.must('alice', 'POST', '/api/v1/apply', {
    documents: [
      {
        apiVersion: 'synod/v1',
        kind: 'Template',
        metadata: { namespace: 'shop', name: 'short-lived' },
        spec: { title: 'Short lived', approval: { rules: [] }, steps: [{ name: 'a', run: 'echo' }] },
      },
    ],
  });
  await signIn(page, demo, 'alice', '/templates/shop/short-lived');
  await page.getByRole('switch', { name: 'Short lived is enabled' }).click({ force: true });
  await page.getByRole('button', { name: 'Disable short-lived' }).click();
  await expect(page.getByRole('switch', { name: 'Short lived is disabled' })).toBeAttached();
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByRole('button', { name: 'Delete shop/short-lived' }).click();
  await expect(page).toHaveURL(/\/templates$/);
  await expect(page.getByText('short-lived')).toHaveCount(0);
});

test('whoever may not write may read', async ({ page, demo }) => {
  await signIn(page, demo, 'dave', '/templates');
  await expect(page.getByRole('link', { name: 'Restart a service' })).toBeVisible();
  await expect(page.getByRole('link', { name: 'New template' })).toHaveCount(0);
  await expect(page.getByRole('switch')).toHaveCount(0);
  await noSerious(page);
  await page.getByRole('link', { name: 'Restart a service' }).click();
  await expect(page.getByText('You may read this template.')).toBeVisible();
  await expect(page.getByLabel('Template restart-service')).toBeVisible();
  await expect(editor(page)).toHaveCount(0);
  await noSerious(page);
});

test('a phone shows all of it without scrolling sideways', async ({ page, demo }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn(page, demo, 'alice', '/templates');
  for (const path of ['/templates', '/templates/shop/count-slowly', '/templates/shop/count-slowly?tab=history']) {
    await page.goto(path);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    await expect(page.getByText('alice').first()).toBeAttached();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  }
});
