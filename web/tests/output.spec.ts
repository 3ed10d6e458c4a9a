import { readFileSync } from 'node:fs';
import { type Demo, expect, signIn, test } from './harness';

const LINES = 26_000;

/** Templates of this file; each has bob's approval asked for. */
const template = (name: string, spec: object) => ({
  apiVersion: 'synod/v1',
  kind: 'Template',
  metadata: { namespace: 'shop', name },
  spec: { targets: { selector: 'role=web' }, approval: { rules: [{ count: 1, from: { role: 'approver' } }] }, ...spec },
});

const approve = (demo: Demo, id: string) => demo.cli(['approve', id, '--yes', '--key', demo.user('bob').key ?? ''], 'bob');
const phase = async (demo: Demo, id: string) => (await demo.must<{ phase: string }>('dave', 'GET', `/api/v1/runs/${id}`)).phase;

async function request(demo: Demo, name: string, inputs: object): Promise<string> {
  const body = { namespace: 'shop', template: name, inputs, target: 'name=web-1', reason: 'to read what it says' };
  return (await demo.must<{ id: string }>('dave', 'POST', '/api/v1/runs', body)).id;
}

test('of a long output the end is shown, and all of it is saved', async ({ page, demo }) => {
  const spec = { title: 'Talk a lot', steps: [{ name: 'talk', run: `seq -f 'line %.0f' 1 ${LINES}` }] };
  await demo.must('alice', 'POST', '/api/v1/apply', { documents: [template('talk', spec)] });
  const id = await request(demo, 'talk', {});
  await approve(demo, id);
  await expect.poll(() => phase(demo, id), { timeout: 30_000 }).toBe('succeeded');
  await signIn(page, demo, 'dave', `/runs/${id}?tab=output`);
  const status = page.getByRole('status').filter({ hasText: 'complete' });
  await expect(status).toContainText('(the last 20,000 are kept; saving writes all of them)');
  // A few more than are promised stay; none is lost count of.
  const [, kept = '', gone = ''] = /complete · ([\d,]+) lines · ([\d,]+) earlier lines let go/.exec(await status.innerText()) ?? [];
  const number = (text: string) => Number(text.replaceAll(',', ''));
  expect(number(kept)).toBeGreaterThanOrEqual(20_000);
  expect(number(kept) + number(gone)).toBe(LINES);
  await page.getByRole('textbox', { name: 'Search the output' }).fill(`line ${LINES}`);
  await expect(status).toContainText('1 of 1');
  await expect(page.getByRole('region', { name: 'Output' })).toContainText(`line ${LINES}`);
  await page.getByRole('textbox', { name: 'Search the output' }).fill('line 17');
  await expect(status).toContainText('1 of 1,000 matches');

  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save as text' }).click();
  const saved = await download;
  expect(saved.suggestedFilename()).toBe(`${id}.txt`);
  const lines = readFileSync(await saved.path(), 'utf8')
    .trimEnd()
    .split('\n');
  expect(lines).toHaveLength(LINES);
  expect([lines[0], lines.at(-1)]).toEqual(['web-1\tstdout\tline 1', `web-1\tstdout\tline ${LINES}`]);
  await demo.must('alice', 'DELETE', '/api/v1/objects/Template/talk?namespace=shop');
});

test('a replay asks for secrets again, says at the field what is wrong with them, and shows them nowhere', async ({ page, demo }) => {
  const inputs = {
    type: 'object',
    required: ['account', 'password'],
    properties: { account: { type: 'string' }, password: { type: 'string', writeOnly: true, minLength: 8 } },
    additionalProperties: false,
  };
  const run = 'echo {{ inputs.account }} has {{ inputs.password }}; printf %s {{ inputs.password }} | wc -c';
  const spec = { title: 'Write the password', inputs, steps: [{ name: 'write', run }] };
  await demo.must('alice', 'POST', '/api/v1/apply', { documents: [template('write-password', spec)] });
  const [first, second] = ['the-first-secret', 'another-and-longer-secret'];
  const id = await request(demo, 'write-password', { account: 'app', password: first });
  await approve(demo, id);
  await expect.poll(() => phase(demo, id), { timeout: 30_000 }).toBe('succeeded');

  await signIn(page, demo, 'dave', `/runs/${id}`);
  await page.getByRole('button', { name: 'Replay' }).click();
  const sheet = page.getByRole('dialog');
  const secret = sheet.getByLabel('Secret: password');
  const look = sheet.getByRole('button', { name: 'Look what it would do' });
  await expect(secret).toHaveAttribute('type', 'password');
  await expect(secret).toHaveValue('');
  await expect(secret).toHaveAccessibleDescription('Secrets are not kept; give it again.');
  await expect(look).toBeDisabled();
  await sheet.getByLabel('On which nodes').fill('name=web-1');
  await secret.fill('short');
  await look.click();
  await expect(secret).toHaveAccessibleDescription(/8/);
  await expect(secret).toHaveAttribute('aria-invalid', 'true');
  await expect(sheet.getByRole('alert').filter({ hasText: 'SYN-' }), 'it is said once').toHaveCount(0);
  await secret.fill(second);
  await look.click();
  await expect(sheet.getByText('What it would do')).toBeVisible();
  await sheet.getByRole('button', { name: 'Request it on 1 node' }).click();
  await expect(page.getByText('Replay of')).toBeVisible();

  const again = new URL(page.url()).pathname.split('/').pop() ?? '';
  await approve(demo, again);
  await page.getByRole('tab', { name: 'Output' }).click();
  const output = page.getByRole('region', { name: 'Output' });
  // What the step got is the new one, of which the output says nothing but its length.
  await expect(output).toContainText('app has ***');
  await expect(output).toContainText(String(second.length));
  for (const tab of ['Output', 'Manifest', 'Timeline']) {
    await page.getByRole('tab', { name: tab }).click();
    await expect(page.getByRole('tabpanel', { name: tab })).not.toBeEmpty();
    const seen = await page.evaluate(
      () => document.documentElement.outerHTML + JSON.stringify({ ...localStorage, ...sessionStorage }) + location.href,
    );
    for (const hidden of [first, second]) expect(seen).not.toContain(hidden);
  }
  await demo.must('alice', 'DELETE', '/api/v1/objects/Template/write-password?namespace=shop');
});
