import type { BrowserContextOptions } from '@playwright/test';
import { requestRestart, test, uptime } from '../harness';
import { middle, open, type Opened, print, SAMPLES, signedIn, SIZES, type Usable } from './measure';

/** Within a second a screen is to be usable. */
const GOAL = 1000;

test('how long screens take until they can be used, for somebody who has never been there', async ({ browser, demo }) => {
  const done = await uptime(demo, 'role=web');
  for (const reason of ['memory grows since the last release', 'the queue stands still', 'after the new certificate'])
    await requestRestart(demo, 'role=web', reason);
  const screens: [name: string, who: string, path: string, usable: Usable][] = [
    ['sign-in', '', '/sign-in', { css: 'form button[type=submit]', text: 'Sign in' }],
    ['inbox with three cards', 'bob', '/', { css: 'main article button', text: 'Approve' }],
    ['catalogue', 'dave', '/catalogue', { css: 'main section a[href*="/catalogue/"]' }],
    ['request form', 'dave', '/catalogue/shop/restart-service', { css: 'main form input' }],
    ['runs', 'dave', '/runs', { css: 'main [aria-label=Runs] a[href*="/runs/"]' }],
    ['run', 'dave', `/runs/${done}`, { css: 'main [role=list][aria-label=Nodes] button' }],
    ['nodes', 'dave', '/nodes', { css: 'main [role=list][aria-label=Nodes] a[href*="/nodes/"]' }],
    ['templates', 'alice', '/templates', { css: 'main a[href*="/templates/"]' }],
    ['template', 'alice', '/templates/shop/restart-service', { css: 'main .cm-content' }],
  ];
  // Who is signed in already; signing in is a screen of its own.
  const states = new Map<string, BrowserContextOptions>([['', {}]]);
  for (const who of ['alice', 'bob', 'dave']) states.set(who, await signedIn(browser, demo, who));

  for (const [size, options] of Object.entries(SIZES)) {
    const found = new Map<string, Opened[]>(screens.map(([name]) => [name, []]));
    // All screens by turns, so that a busy minute is not one screen's alone.
    for (let sample = 0; sample <= SAMPLES; sample++) {
      for (const [name, who, path, usable] of screens) {
        const opened = await open(browser, { ...options, ...states.get(who), baseURL: demo.url }, path, usable);
        if (sample > 0) found.get(name)?.push(opened);
      }
    }
    const rows = [...found].map(([name, all]) => {
      const usable = middle(all, (one) => one.usable);
      const ms = usable.toFixed(0);
      return [
        name,
        usable > GOAL ? `**${ms}**` : ms,
        Math.max(...all.map((one) => one.usable)).toFixed(0),
        middle(all, (one) => one.page).toFixed(0),
        middle(all, (one) => one.answer).toFixed(0),
        middle(all, (one) => one.longest).toFixed(0),
        middle(all, (one) => one.blocked).toFixed(0),
        middle(all, (one) => one.requests).toFixed(0),
        (middle(all, (one) => one.bytes) / 1000).toFixed(0),
      ];
    });
    const heads = ['screen', 'usable, ms', 'slowest', 'page here', 'first answer', 'longest task', 'beyond 50 ms', 'requests', 'kB'];
    print(`${size}, ${options.viewport?.width}×${options.viewport?.height}: medians of ${SAMPLES}`, heads, rows);
  }
});
