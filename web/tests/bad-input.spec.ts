import { expect, type Page, signIn, test } from './harness';

const dialog = (page: Page) => page.getByRole('dialog');
const editor = (page: Page) => page.locator('.cm-content[contenteditable=true]');

/** Puts a text in the place of what the editor has. */
async function write(page: Page, text: string): Promise<void> {
  await editor(page).click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText(text);
}

/** A form in a dialog that the server checks while it is filled in: of each field what is wrong, how that is told, and what is right. */
const FORMS: { what: string; at: string; open: (page: Page) => Promise<void>; save: string; fields: [string, string, RegExp, string][] }[] =
  [
    {
      what: 'a namespace',
      at: '/access?tab=namespaces',
      open: (page) => page.getByRole('button', { name: 'New namespace' }).click(),
      save: 'Create the namespace',
      fields: [
        ['Name', 'Lab!', /`Lab!` is not a name/, 'lab'],
        ['Name', 'x'.repeat(64), /is not a name/, 'lab'],
        ['Nodes it may reach', 'role in (web', /column 13: expected `,` or `\)`/, 'role in (web)'],
        ['Nodes it may reach', 'rôle=web', /.+/, ''],
      ],
    },
    {
      what: 'a role binding',
      at: '/access?tab=roles&give=user:erin',
      open: async (page) => {
        await dialog(page)
          .getByRole('radio', { name: /^approver/ })
          .check();
        await dialog(page).getByRole('combobox', { name: 'Where' }).click();
        await page.getByRole('option', { name: 'in namespace shop', exact: true }).click();
      },
      save: 'Give the role',
      fields: [
        ['Name of the binding', 'Erin Approves', /`Erin Approves` is not a name/, 'erin-approves'],
        ['Name of the binding', 'é', /`é` is not a name/, ''],
        ['Until', '2020-01-01T00:00', /This time has passed/, ''],
      ],
    },
    {
      what: 'a group',
      at: '/access?tab=groups',
      open: (page) => page.getByRole('button', { name: 'New group' }).click(),
      save: 'Create the group',
      fields: [['Name', '-night', /`-night` is not a name/, 'night']],
    },
  ];

for (const { what, at, open, save, fields } of FORMS) {
  test(`${what}: what is wrong is told at its field, and not saved`, async ({ page, demo }) => {
    await signIn(page, demo, 'alice', at);
    await open(page);
    const button = dialog(page).getByRole('button', { name: save });
    for (const [label, bad, words, good] of fields) {
      const field = dialog(page).getByLabel(label);
      await field.fill(bad);
      await expect(field).toHaveAccessibleDescription(words);
      await expect(field).toHaveAttribute('aria-invalid', 'true');
      await expect(field, 'what was typed stays').toHaveValue(bad);
      await expect(button).toBeDisabled();
      await field.fill(good);
      await expect(field).not.toHaveAttribute('aria-invalid', 'true');
    }
    await expect(button).toBeEnabled();
  });
}

test('a role for somebody who does not exist is not given', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/access?tab=roles&give=user:nobody-here');
  await FORMS[1]?.open(page);
  await expect(dialog(page).getByRole('combobox', { name: 'Who' })).toHaveAccessibleDescription(/nobody-here/);
  await expect(dialog(page).getByRole('button', { name: 'Give the role' })).toBeDisabled();
});

test('the labels of a node: what is wrong is told at the name or at the value, of each of them', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/nodes/web-3');
  await page.getByRole('button', { name: 'Change the labels' }).click();
  await page.getByRole('button', { name: 'Add a label' }).click();
  const name = page.getByLabel(/^Name of label/).last();
  const value = page.getByLabel(/^Value of label/).last();
  const save = page.getByRole('button', { name: 'Save the labels' });
  for (const [key, text, wrong, words] of [
    ['zone', 'b c', value, /`b c` is not a label value/],
    ['zone', 'b-', value, /`b-` is not a label value/],
    ['zone', 'x'.repeat(64), value, /is not a label value.*at most 63/],
    ['a/b/c', 'x', name, /`a\/b\/c` is not a label name/],
    ['name', 'x', name, /given by the machine itself/],
    ['fact/os', 'x', name, /given by the machine itself/],
    ['role', 'x', name, /is there twice/],
  ] as const) {
    await name.fill(key);
    await value.fill(text);
    await save.click();
    await expect(wrong).toHaveAccessibleDescription(words);
    await expect(wrong).toHaveAttribute('aria-invalid', 'true');
    await expect(wrong === name ? value : name).not.toHaveAttribute('aria-invalid', 'true');
    await expect(page.getByText('SYN-1001'), 'it is said once').toHaveCount(0);
  }
  // Two at once.
  await name.fill('zone');
  await value.fill('b c');
  await page.getByRole('button', { name: 'Add a label' }).click();
  await name.fill('été');
  await value.fill('x');
  await save.click();
  await expect(name).toHaveAccessibleDescription(/`été` is not a label name/);
  await expect(page.getByLabel(/^Value of label/).nth(-2)).toHaveAccessibleDescription(/`b c` is not a label value/);
});

test('an API key is named in any alphabet, up to what the form takes', async ({ page, demo }) => {
  await signIn(page, demo, 'erin', '/me?tab=keys');
  await page.getByRole('button', { name: 'Make an API key' }).click();
  const name = dialog(page).getByLabel('Name');
  const make = dialog(page).getByRole('button', { name: 'Make the key' });
  await name.fill('   ');
  await make.click();
  await expect(name).toHaveAccessibleDescription(/Say what it is for\./);
  await name.fill('é'.repeat(120));
  await expect(name).toHaveValue('é'.repeat(100));
  await make.click();
  await expect(page.getByText('This is the only time it is shown')).toBeVisible();
});

const template = (name: string, { kind = 'Template', namespace = 'shop' } = {}) =>
  `apiVersion: synod/v1\nkind: ${kind}\nmetadata:\n  namespace: ${namespace}\n  name: ${name}\nspec:\n  title: T\n  approval: { rules: [] }\n  steps: [{ name: a, run: echo }]\n`;

test('a thing in its editor keeps its name; what would be another thing is told at its line and not saved', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/templates/shop/count-slowly');
  for (const [text, words] of [
    [template('Bad Name'), /Line 5.*the name stays `count-slowly` here/],
    // Saved, this would take the place of another one, from the page of this one.
    [template('restart-service'), /Line 5.*the name stays `count-slowly` here/],
    [template('count-slowly', { namespace: 'elsewhere' }), /Line 4.*the namespace stays `shop` here/],
    [template('count-slowly', { kind: 'Policy' }), /Line 2.*the kind stays `Template` here/],
  ] as const) {
    await write(page, text);
    await page.keyboard.press('Control+s');
    await expect(page.getByText(words)).toBeVisible();
    await expect(page.getByRole('button', { name: 'Review and save' })).toBeDisabled();
    await expect(dialog(page)).toHaveCount(0);
  }
  await page.getByRole('button', { name: 'Undo all' }).click();

  await page.goto('/templates?new=shop');
  for (const [text, words] of [
    [template('Bad Name'), /Line 5.*`Bad Name` is not a name/],
    [template('fine', { namespace: 'Shop!' }), /Line 4.*`Shop!` is not a name/],
    [template('fine', { namespace: 'elsewhere' }), /elsewhere/],
    [template('fine', { kind: 'Policy' }), /Line 2.*the kind stays `Template` here/],
  ] as const) {
    await write(page, text);
    await expect(page.getByRole('status').filter({ hasText: words })).toBeVisible();
    await expect(page.getByRole('button', { name: 'Review and save' })).toBeDisabled();
  }
});

test('a policy: what is no Cedar is told with its line', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/access?tab=policies&policy=%2Bnew');
  const head = 'apiVersion: synod/v1\nkind: Policy\nmetadata: { name: odd }\nspec:\n  cedar: |\n';
  for (const [cedar, words] of [
    ['    permit (\n      principal,\n      action action,\n      resource\n    );\n', /Line 8.*/],
    ['    permit (principal, action, resource)\n      when { context. };\n', /Line 7.*/],
    ['    permit (principal, action, resource);\n    forbid (principal, action, resource\n', /Line [78].*/],
  ] as const) {
    await write(page, head + cedar);
    await expect(page.getByRole('button', { name: words })).toBeVisible();
    await expect(page.getByRole('button', { name: 'Review and save' })).toBeDisabled();
  }
});

for (const screen of ['history', 'events']) {
  test(`${screen}: times that are none, or the wrong way round, are told at their fields`, async ({ page, demo }) => {
    await signIn(page, demo, 'alice', `/${screen}?since=tomorrow`);
    const [from, until] = [page.getByLabel('From', { exact: true }), page.getByLabel('Until', { exact: true })];
    await expect(from).toHaveAccessibleDescription('“tomorrow” is not a time');
    await expect(page.getByRole('alert').filter({ hasText: 'SYN-' })).toBeVisible();
    await from.fill('2026-03-04T05:06');
    await expect(page.getByRole('alert').filter({ hasText: 'SYN-' })).toHaveCount(0);
    await expect(from).not.toHaveAttribute('aria-invalid', 'true');
    await until.fill('2026-03-04T05:05');
    await expect(until).toHaveAccessibleDescription('This is before it begins');
    await until.fill('2026-03-04T05:07');
    await expect(until).not.toHaveAttribute('aria-invalid', 'true');
    await expect(page).toHaveURL(/until=2026-03-04T05(%3A|:)07/);
  });
}
