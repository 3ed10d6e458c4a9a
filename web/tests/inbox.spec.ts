import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Demo } from './demo';
import { expect, noSerious, requestRestart, signIn, testAlone, virtualAuthenticator, type Page } from './harness';

/** A demo of this file's own, since its trust root is changed. */
const test = testAlone();

test.describe.configure({ mode: 'serial' });

const card = (page: Page, reason: string) => page.getByRole('article').filter({ hasText: reason });

test('nothing awaits somebody who may not approve', async ({ page, demo }) => {
  await signIn(page, demo, 'erin');
  await expect(page.getByRole('heading', { level: 1, name: 'Inbox' })).toBeVisible();
  await expect(page.getByRole('heading', { name: 'Nothing awaits you' })).toBeVisible();
  await noSerious(page);
});

test('a request shows what it takes to decide, and text stays text', async ({ page, demo }) => {
  const reason = 'stuck <img src=x onerror=alert(1)> \u202egnp';
  await requestRestart(demo, 'role=web', reason);
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn(page, demo, 'bob');
  const one = card(page, 'stuck');
  await expect(one).toContainText('stuck <img src=x onerror=alert(1)> ⟦U+202E⟧gnp');
  await expect(one).toContainText("Restarts one of the shop's services");
  for (const node of demo.nodes) await expect(one.getByText(node, { exact: true })).toBeVisible();
  await one.getByText('What it will run: restart, check, note').click();
  await expect(one.getByText('supervisor restart web')).toBeVisible();
  await expect(one.getByText('restarts: 2 with role approver')).toBeVisible();
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
  await noSerious(page);
});

test('who has no passkey in the root is told how to sign, and loses nothing they wrote', async ({ page, demo }) => {
  await signIn(page, demo, 'bob');
  await card(page, 'stuck').focus();
  await page.keyboard.press('a');
  const sheet = page.getByRole('dialog', { name: /^Approve: Restart a service/ });
  await expect(sheet.getByText('Checked by your browser')).toBeVisible();
  await expect(sheet.getByText('It cannot be taken back.')).toBeVisible();
  await sheet.getByLabel('Comment').fill("it's fine");
  await expect(sheet.getByText(/^synod approve \w+ --comment 'it'\\''s fine'$/)).toBeVisible();
  await expect(sheet.getByRole('button', { name: 'Sign and approve' })).toBeDisabled();
  await noSerious(page);
});

test('a server that shows another manifest than it has signed is found out', async ({ page, demo }) => {
  await page.route(/\/api\/v1\/runs\/\w+$/, async (route) => {
    const answer = await route.fetch();
    const run = (await answer.json()) as { manifest?: { inputs: Record<string, unknown> } };
    if (run.manifest) run.manifest.inputs['service'] = 'worker';
    await route.fulfill({ response: answer, json: run });
  });
  await signIn(page, demo, 'bob');
  await card(page, 'stuck').getByRole('button', { name: 'Approve' }).click();
  const sheet = page.getByRole('dialog');
  await expect(sheet.getByText('What is shown contradicts itself')).toBeVisible();
  await expect(sheet.getByRole('button', { name: 'Sign and approve' })).toBeDisabled();
});

test('a passkey in the trust root approves and rejects', async ({ page, demo }) => {
  await signIn(page, demo, 'bob');
  await virtualAuthenticator(page);
  await intoRoot(demo, 'bob', await newPasskey(page));
  await page.reload();

  await card(page, 'stuck').getByRole('button', { name: 'Reject' }).click();
  let sheet = page.getByRole('dialog');
  await sheet.getByRole('button', { name: 'Sign and reject' }).click();
  await expect(sheet.getByText('Say why, so that the requester knows what to change.')).toBeVisible();
  await sheet.getByRole('button', { name: 'Back' }).click();

  await card(page, 'stuck').getByRole('button', { name: 'Approve' }).click();
  sheet = page.getByRole('dialog');
  await sheet.getByLabel('Comment').fill('looks right');
  await sheet.getByRole('button', { name: 'Sign and approve' }).click();
  await expect(page.getByText('You approved “Restart a service” on 3 nodes.')).toBeVisible();
  await expect(card(page, 'stuck')).toHaveCount(0);

  const id = await requestRestart(demo, 'env=prod', 'once more');
  // It comes by itself.
  await card(page, 'once more').getByRole('button', { name: 'Reject' }).click();
  sheet = page.getByRole('dialog');
  await sheet.getByLabel('Comment').fill('not now');
  await sheet.getByRole('button', { name: 'Sign and reject' }).click();
  await expect(page.getByRole('heading', { name: 'Nothing awaits you' })).toBeVisible();
  const run = await demo.must<{ phase: string; approvals: { person: string; decision: string; comment: string; key?: string }[] }>(
    'bob',
    'GET',
    `/api/v1/runs/${id}`,
  );
  expect(run).toMatchObject({
    phase: 'rejected',
    approvals: [{ person: 'bob', decision: 'reject', comment: 'not now', key: expect.stringMatching(/^passkey:/) }],
  });
});

test('own requests stand below', async ({ page, demo }) => {
  await signIn(page, demo, 'dave');
  await expect(page.getByRole('list', { name: 'Your open requests' }).getByRole('link')).toHaveCount(1);
  await expect(page.getByRole('list', { name: 'Lately ended' }).getByText('rejected', { exact: true })).toBeVisible();
  await noSerious(page);
});

/** A passkey of the browser's authenticator, as a trust root writes it. */
async function newPasskey(page: Page): Promise<{ credentialId: string; publicKey: string }> {
  const [credentialId, data] = await page.evaluate(async () => {
    const made = (await navigator.credentials.create({
      publicKey: {
        challenge: new Uint8Array(32),
        rp: { id: 'localhost', name: 'test' },
        user: { id: new Uint8Array([1]), name: 'bob', displayName: 'bob' },
        pubKeyCredParams: [{ type: 'public-key', alg: -7 }],
        authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      },
    })) as PublicKeyCredential;
    const list = (bytes: ArrayBuffer) => Array.from(new Uint8Array(bytes));
    return [list(made.rawId), list((made.response as AuthenticatorAttestationResponse).getAuthenticatorData())];
  });
  const at = 37 + 16;
  const length = ((data?.[at] ?? 0) << 8) | (data?.[at + 1] ?? 0);
  const text = (bytes: number[]) => Buffer.from(bytes).toString('base64url');
  return { credentialId: text(credentialId ?? []), publicKey: text((data ?? []).slice(at + 2 + length)) };
}

/** Has the holders of the demo's root give somebody a key. */
async function intoRoot(demo: Demo, person: string, key: object): Promise<void> {
  const { root } = await demo.must<{
    root: { document: { version: number; principals: { name: string; keys: unknown[] }[]; passkeys?: object } };
  }>('alice', 'GET', '/api/v1/trust');
  const document = { ...root.document, passkeys: { rpId: 'localhost', origins: [new URL(demo.url).origin] } };
  document.principals.find(({ name }) => name === person)?.keys.push(key);
  const folder = mkdtempSync(join(tmpdir(), 'synod-root-'));
  const [wanted, draft] = [join(folder, 'wanted.json'), join(folder, 'root.json')];
  writeFileSync(wanted, JSON.stringify(document));
  const pin = ['--trust-root', demo.ready.trustRoot ?? ''];
  await demo.cli(['trust', 'propose', '--from-yaml', wanted, '--out', draft, ...pin], 'alice');
  for (const holder of ['alice', 'bob'])
    await demo.cli(['trust', 'sign', draft, '--yes', '--key', demo.user(holder).key ?? '', ...pin], holder);
  await demo.cli(['trust', 'publish', draft, ...pin], 'alice');
  rmSync(folder, { recursive: true });
}
