import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import AxeBuilder from '@axe-core/playwright';
import { test as base, type BrowserContext, expect, type Page } from '@playwright/test';
import type { Caller } from './caller';
import { Demo } from './demo';

export type { Demo, Page };
export { expect };

type DemoFixture = [(args: object, use: (demo: Demo) => Promise<void>) => Promise<void>, { scope: 'worker'; timeout: number }];

/** A demo for a worker. Each call is another fixture: tests with different ones never share a worker. */
const demoFixture = (): DemoFixture => [
  async ({}, use) => {
    const demo = await Demo.start();
    await use(demo);
    await demo.stop();
  },
  { scope: 'worker', timeout: 120_000 },
];

/** Every test has a real server with three agents; those of one worker share it. */
export const test = base.extend<{ watched: void }, { demo: Demo }>({
  demo: demoFixture(),
  baseURL: async ({ demo }, use) => use(demo.url),
  // Whatever else a test looks at: errors and refused contents of any page it opens fail it.
  watched: [
    async ({ browser }, use) => {
      const wrong: string[] = [];
      const watch = (context: BrowserContext): void => {
        context.on('weberror', (error) => wrong.push(error.error().message));
        context.on('console', (message) => {
          if (/Content Security Policy|Content-Security-Policy/.test(message.text())) wrong.push(message.text());
        });
      };
      browser.on('context', watch);
      await use();
      browser.off('context', watch);
      expect(wrong, 'errors of the pages').toEqual([]);
    },
    { auto: true },
  ],
});

/** The same, with a demo that no other file's tests see: for those that change its trust root, restart it, or use it up. */
export const testAlone = () => test.extend<object, { demo: Demo }>({ demo: demoFixture() });

/** Signs in by the form with somebody's password. */
export async function signIn(page: Page, server: Caller, name: string, path = '/'): Promise<void> {
  await page.goto(path === '/' ? '/sign-in' : `/sign-in?next=${encodeURIComponent(path)}`);
  await page.getByLabel('User', { exact: true }).fill(name);
  await page.getByLabel('Password', { exact: true }).fill(server.password(name));
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByRole('button', { name: `Account of ${name}` })).toBeVisible();
}

/** Fails when axe finds something serious or critical on the page as it stands. */
export async function noSerious(page: Page): Promise<void> {
  // Colours are judged when nothing moves any more.
  await page.evaluate(() =>
    Promise.all(
      document
        .getAnimations()
        .filter((one) => one.effect?.getComputedTiming().endTime !== Infinity)
        .map((animation) => animation.finished.catch(() => undefined)),
    ),
  );
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']).analyze();
  const serious = violations.filter((one) => one.impact === 'serious' || one.impact === 'critical');
  const told = serious.map(
    (one) => `${one.id}: ${one.help}\n${one.nodes.map((node) => `  ${node.target.join(' ')}  ${node.failureSummary ?? ''}`).join('\n')}`,
  );
  expect(told, 'accessibility').toEqual([]);
}

/** Requests a restart of the demo's shop by `dave`; gives the run's id. */
export async function requestRestart(demo: Demo, target = 'role=web', reason = 'stuck workers'): Promise<string> {
  const body = { namespace: 'shop', template: 'restart-service', inputs: { service: 'web' }, target, reason };
  return (await demo.must<{ id: string }>('dave', 'POST', '/api/v1/runs', body)).id;
}

/** An authenticator of the browser's own that says yes by itself; its keys live as long as the page. */
export async function virtualAuthenticator(page: Page): Promise<void> {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
}

/** Registers a passkey of the browser's authenticator with the account, as its owner would. */
export async function registerPasskey(page: Page): Promise<void> {
  await page.goto('/me?tab=sign-in');
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  await page.getByLabel('Name').fill('phone');
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page.getByRole('button', { name: 'Remove phone' })).toBeVisible();
}

/** Has the holders of the demo's root take the passkeys that people registered, and waits until all nodes know it. */
export async function takeIntoRoot(demo: Demo, people: string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'synod-root-'));
  const draft = join(folder, 'root.json');
  const pin = ['--trust-root', demo.ready.trustRoot ?? ''];
  const keys = people.flatMap((name) => ['--add-key', `${name}=account`]);
  await demo.cli(['trust', 'propose', ...keys, '--out', draft, ...pin], 'alice');
  for (const holder of ['alice', 'bob'])
    await demo.cli(['trust', 'sign', draft, '--yes', '--key', demo.user(holder).key ?? '', ...pin], holder);
  await demo.cli(['trust', 'publish', draft, ...pin], 'alice');
  rmSync(folder, { recursive: true });
  // Nodes that do not know the new root yet would refuse what is signed by keys that are only in it.
  const behind = async () => (await demo.must<{ nodes: { behind: number; enforcing: number } }>('alice', 'GET', '/api/v1/trust')).nodes;
  await expect.poll(behind).toMatchObject({ behind: 0, enforcing: demo.nodes.length });
}

/** Has something run that only reads, approved on the command line. */
export async function uptime(demo: Demo, target: string): Promise<string> {
  const { id } = await demo.must<{ id: string }>('dave', 'POST', '/api/v1/runs', {
    namespace: 'shop',
    template: 'show-uptime',
    inputs: {},
    target,
    reason: 'to have a record',
  });
  await demo.cli(['approve', id, '--yes', '--key', demo.user('bob').key ?? ''], 'bob');
  await expect
    .poll(async () => (await demo.must<{ phase: string }>('bob', 'GET', `/api/v1/runs/${id}`)).phase, { timeout: 30_000 })
    .toBe('succeeded');
  return id;
}
