import type { Locator } from '@playwright/test';
import { type Demo, expect, noSerious, type Page, signIn, test } from './harness';

const dialog = (page: Page) => page.getByRole('dialog');
const apply = (demo: Demo, ...documents: object[]) => demo.must('alice', 'POST', '/api/v1/apply', { documents });
const group = (name: string, members: string[]) => ({ apiVersion: 'synod/v1', kind: 'Group', metadata: { name }, spec: { members } });

/** Picks an option of a select, by its label within a part of the page. */
async function pick(within: Locator, label: string, option: string): Promise<void> {
  await within.getByRole('combobox', { name: label }).click();
  await within.page().getByRole('option', { name: option, exact: true }).click();
}

/** Nothing needs scrolling sideways, once nothing moves any more. */
const fitsPhone = (page: Page) => expect.poll(() => page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);

test('accounts are added, changed and disabled, and the server says at the field what is wrong', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/access?tab=people');
  await page.getByRole('button', { name: 'Add an account' }).click();
  await dialog(page).getByLabel('Name', { exact: false }).first().fill('Bad Name');
  await dialog(page).getByLabel('First password').fill('short');
  await dialog(page).getByRole('button', { name: 'Add the person' }).click();
  await expect(dialog(page).getByText('`Bad Name` is not a name')).toBeVisible();
  await dialog(page).getByLabel('Name', { exact: false }).first().fill('grace');
  await dialog(page).getByRole('button', { name: 'Add the person' }).click();
  await expect(dialog(page).getByText('a password has 10 to 1024 characters')).toBeVisible();
  await dialog(page).getByRole('button', { name: 'Make one up' }).click();
  await dialog(page).getByRole('button', { name: 'Add the person' }).click();
  const grace = page.getByRole('dialog', { name: 'Account grace' });
  await expect(grace.getByText('No role that you can see')).toBeVisible();
  await expect(grace.getByText('None yet.')).toBeVisible();
  await noSerious(page);

  await grace.getByRole('button', { name: 'Set a password' }).click();
  const ask = page.getByRole('dialog', { name: 'Set a password' });
  await ask.getByLabel('New password').fill('short');
  await ask.getByRole('button', { name: 'Set the password of grace' }).click();
  await expect(ask.getByText('a password has 10 to 1024 characters').first()).toBeVisible();
  await expect(ask.getByLabel('New password')).toHaveValue('short');
  await ask.getByLabel('New password').fill('a-much-longer-one');
  await ask.getByRole('button', { name: 'Set the password of grace' }).click();
  await expect(ask).toBeHidden();

  await grace.getByRole('button', { name: 'Disable the account' }).click();
  await page.getByRole('button', { name: 'Disable grace' }).click();
  await expect(grace.getByText('disabled', { exact: true })).toBeVisible();
  await grace.getByRole('button', { name: 'Enable the account' }).click();
  await page.getByRole('button', { name: 'Enable grace' }).click();
  await expect(grace.getByText('disabled', { exact: true })).toBeHidden();

  await grace.getByRole('button', { name: 'Close' }).click();
  await page.getByLabel('Search people').fill('nobody-of-this-name');
  await expect(page.getByRole('heading', { name: 'Nobody fits' })).toBeVisible();
});

test('a group is checked while it is written, and what somebody else saved meanwhile is not lost', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/access?tab=groups');
  await page.getByRole('button', { name: 'New group' }).click();
  await dialog(page).getByLabel('Name').fill('Bad Name');
  await expect(dialog(page).getByText('`Bad Name` is not a name')).toBeVisible();
  await expect(dialog(page).getByRole('button', { name: 'Create the group' })).toBeDisabled();
  await dialog(page).getByLabel('Name').fill('oncall');
  await expect(dialog(page).getByText('Something of this name exists already')).toBeVisible();
  await dialog(page).getByLabel('Name').fill('night-shift');
  await expect(dialog(page).getByLabel('What changes')).toContainText('members');
  await noSerious(page);
  await dialog(page).getByRole('button', { name: 'Create the group' }).click();
  const card = page.getByRole('article', { name: 'Group night-shift' });
  await expect(card.getByText('Nobody is in it.')).toBeVisible();

  await card.getByRole('button', { name: 'Edit group night-shift' }).click();
  await dialog(page).getByLabel('What it is for').fill('Whoever is awake.');
  await expect(dialog(page).getByLabel('What changes')).toContainText('+  description: Whoever is awake.');
  await apply(demo, group('night-shift', ['bob']));
  await dialog(page).getByLabel('What it is for').fill('Whoever is awake at night.');
  await expect(dialog(page).getByText('Somebody changed it meanwhile')).toBeVisible();
  await dialog(page).getByRole('button', { name: 'Go on from the newest' }).click();
  await expect(dialog(page).getByLabel('What changes')).toContainText('-  - bob');
  await dialog(page).getByRole('button', { name: 'Save group night-shift' }).click();
  await expect(card.getByText('Whoever is awake at night.')).toBeVisible();
  await card.getByRole('button', { name: 'Delete group night-shift' }).click();
  await page.getByRole('button', { name: 'Delete group night-shift' }).last().click();
  await expect(card).toBeHidden();
});

test('a role is given until a time, marked when that is near, and taken away; the last owner stays', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/access?tab=roles&give=user:erin');
  await expect(dialog(page).getByText('erin', { exact: true })).toBeVisible();
  await dialog(page)
    .getByRole('radio', { name: /^approver/ })
    .check();
  await expect(dialog(page).getByRole('button', { name: 'Give the role' })).toBeDisabled();
  await pick(dialog(page), 'Where', 'in namespace shop');
  await dialog(page).getByLabel('Until').fill('2020-01-01T00:00');
  await expect(dialog(page).getByText('This time has passed.')).toBeVisible();
  await dialog(page).getByRole('button', { name: '1 day' }).click();
  await expect(dialog(page).getByLabel('What changes')).toContainText('user: erin');
  await noSerious(page);
  await dialog(page).getByRole('button', { name: 'Give the role' }).click();
  const row = page.getByRole('row', { name: /erin-approver/ });
  await expect(row.getByText('ends soon')).toBeVisible();
  await row.getByRole('button', { name: 'Take erin-approver away' }).click();
  await page.getByRole('button', { name: 'Take approver in shop away' }).click();
  await expect(row).toBeHidden();

  await page.getByRole('button', { name: 'Take first-owner away' }).click();
  await page.getByRole('button', { name: 'Take owner everywhere away' }).click();
  await expect(page.getByRole('alert').getByText('SYN-3004')).toBeVisible();
});

test('a namespace is made, frozen, unfrozen and deleted; one that holds something is not', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/access?tab=namespaces');
  await page.getByRole('button', { name: 'New namespace' }).click();
  await dialog(page).getByLabel('Name').fill('lab');
  await dialog(page).getByLabel('Nodes it may reach').fill('role=(web');
  await expect(dialog(page).locator('[id$="-error"]')).toBeVisible();
  await dialog(page).getByLabel('Nodes it may reach').fill('role=web');
  await dialog(page).getByRole('button', { name: 'Create the namespace' }).click();
  const card = page.getByRole('article', { name: 'Namespace lab' });
  await expect(card.getByText('role=web')).toBeVisible();
  await card.getByRole('button', { name: 'Freeze namespace lab' }).click();
  await page.getByRole('button', { name: 'Freeze lab', exact: true }).click();
  await expect(card.getByText('frozen', { exact: true })).toBeVisible();
  await card.getByRole('button', { name: 'Unfreeze namespace lab' }).click();
  await page.getByRole('button', { name: 'Unfreeze lab', exact: true }).click();
  await expect(card.getByText('frozen', { exact: true })).toBeHidden();
  await card.getByRole('button', { name: 'Delete namespace lab' }).click();
  await page.getByRole('button', { name: 'Delete namespace lab' }).last().click();
  await expect(card).toBeHidden();
  await page.getByRole('button', { name: 'Delete namespace shop' }).click();
  await page.getByRole('button', { name: 'Delete namespace shop' }).last().click();
  await expect(page.getByRole('alert')).toContainText('namespace shop is not empty');
});

test('a policy is checked at its line, and what it allows shows in the matrix with why', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/access?tab=policies');
  await expect(page.getByRole('heading', { name: 'Roles alone decide' })).toBeVisible();
  await page.getByRole('button', { name: 'New policy' }).click();
  const editor = page.locator('.cm-content[contenteditable=true]');
  const write = async (text: string) => {
    await editor.click();
    await page.keyboard.press('Control+a');
    await page.keyboard.insertText(text);
  };
  const policy = (action: string) =>
    `apiVersion: synod/v1\nkind: Policy\nmetadata: { name: oncall-cancels }\nspec:\n  cedar: |\n    permit (principal in Group::"oncall", action == Action::"${action}", resource in Namespace::"shop");\n`;
  await write(policy('run.cancl'));
  await expect(page.getByText(/Line 6.*there is no action `run.cancl`/)).toBeVisible();
  await write(policy('run.cancel'));
  await page.getByRole('button', { name: 'Review and save' }).click();
  await page.getByRole('button', { name: 'Create oncall-cancels' }).click();
  await expect(page.getByRole('heading', { name: 'oncall-cancels' })).toBeVisible();
  await noSerious(page);

  await page.getByRole('tab', { name: 'Who may what' }).click();
  await pick(page.getByRole('tabpanel'), 'May they …', 'cancel runs');
  await page.getByLabel('Search people').fill('carol');
  const row = page.getByRole('row', { name: /^carol/ });
  await expect(row.getByText('yes')).toBeVisible();
  await expect(page.getByRole('row', { name: /^bob/ })).toBeHidden();
  await noSerious(page);
  await row.getByRole('button').click();
  await expect(dialog(page).getByText('Allowed by oncall-cancels/')).toBeVisible();
  await dialog(page).getByRole('button', { name: 'Close' }).click();
  await page.setViewportSize({ width: 390, height: 844 });
  await expect(page.getByRole('article', { name: 'carol' }).getByText('yes')).toBeVisible();
  await fitsPhone(page);

  await page.goto('/access?tab=policies');
  await page.getByRole('button', { name: 'Delete policy oncall-cancels' }).click();
  await page.getByRole('button', { name: 'Delete policy oncall-cancels' }).last().click();
  await expect(page.getByRole('heading', { name: 'Roles alone decide' })).toBeVisible();
});

test('who may only look sees why, and no buttons', async ({ page, demo }) => {
  await signIn(page, demo, 'erin', '/access?tab=people');
  await expect(page.getByRole('heading', { name: 'Accounts are not yours to see' })).toBeVisible();
  await page.getByRole('button', { name: 'Show my own account' }).click();
  await expect(page.getByRole('dialog', { name: 'Account erin' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Disable the account' })).toBeHidden();
  await page.goto('/access?tab=roles');
  await expect(page.getByText(/giving and taking roles is for others\. It takes the role owner/)).toBeVisible();
  await expect(page.getByRole('button', { name: 'Give a role' })).toBeHidden();
  await expect(page.getByRole('button', { name: /away$/ })).toHaveCount(0);
  await page.goto('/access?tab=groups');
  await expect(page.getByText(/changing groups is for others|Groups are not/)).toBeVisible();
  await page.goto('/access?tab=policies');
  await expect(page.getByRole('heading', { name: 'Policies are not yours to see' })).toBeVisible();
  await page.goto('/access?tab=matrix&person=erin');
  await expect(page.getByRole('row', { name: /^erin/ })).toContainText('run: read');
});

test('nothing of it is out of reach for anybody', async ({ page, demo }) => {
  await signIn(page, demo, 'alice', '/access');
  for (const scheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const tab of ['people', 'groups', 'roles', 'namespaces', 'policies', 'matrix']) {
      await page.goto(`/access?tab=${tab}`);
      await expect(page.getByRole('tabpanel')).not.toBeEmpty();
      await expect(page.getByText('Loading')).toBeHidden();
      await noSerious(page);
    }
  }
});
