import { cpus } from 'node:os';
import type { BrowserContextOptions } from '@playwright/test';
import { Fresh } from '../fresh';
import { expect, test as base } from '../harness';
import { Crowd } from './crowd';
import { middle, type Moved, open, print, SAMPLES, scroll, signedIn, SIZES, type Usable } from './measure';

const NODES = Number(process.env['SYNOD_BENCH_NODES'] ?? 10_000);
const SECONDS = 4;
/** Fewer than of screens: each is seconds long by itself. */
const TIMES = Math.ceil(SAMPLES / 2);

/** A server with so many nodes, each connected, and people to ask and to approve. */
const test = base.extend<object, { crowded: Fresh }>({
  crowded: [
    async ({}, use) => {
      const fresh = await Fresh.start({ stepUp: 'enrolled' });
      await fresh.setUp('ada');
      await fresh.populate('ada', 'lab', { bob: 'approver', dave: 'requester' });
      const spec = {
        title: 'Does nothing',
        targets: { selector: '' },
        approval: { rules: [{ count: 1, from: { role: 'approver' } }] },
        strategy: { type: 'allAtOnce' },
        steps: [{ name: 'true', run: 'true' }],
      };
      const template = { apiVersion: 'synod/v1', kind: 'Template', metadata: { namespace: 'lab', name: 'nothing' }, spec };
      await fresh.must('ada', 'POST', '/api/v1/apply', { documents: [template] });
      const crowd = await Crowd.join(fresh, 'ada', NODES);
      await use(fresh);
      await crowd.leave();
      await fresh.stop();
    },
    { scope: 'worker', timeout: 1_200_000 },
  ],
});

interface Asked {
  id: string;
  digest: string;
}

const request = (fresh: Fresh): Promise<Asked> =>
  fresh.must('dave', 'POST', '/api/v1/runs', { namespace: 'lab', template: 'nothing', inputs: {}, target: '', reason: 'to be looked at' });

const approve = (fresh: Fresh, { id, digest }: Asked): Promise<unknown> =>
  fresh.must('bob', 'POST', `/api/v1/runs/${id}/approvals`, { digest, decision: 'approve', comment: '' });

const ended = async (fresh: Fresh, { id }: Asked): Promise<void> => {
  const phase = async () => (await fresh.must<{ phase: string }>('ada', 'GET', `/api/v1/runs/${id}`)).phase;
  await expect.poll(phase, { timeout: 120_000 }).toBe('succeeded');
};

const GRID: Usable = { css: '[role=listbox] [role=option]' };
const LIST: Usable = { css: '[role=list][aria-label=Nodes] button' };
/** What scrolls: the grid itself, and what the list lies in. */
const PANES = { grid: '[role=listbox]', list: ':has(> [role=list][aria-label=Nodes])' };

test(`a run with ${NODES} nodes: how long it takes to open, and how it scrolls`, async ({ browser, crowded }) => {
  const run = await request(crowded);
  await approve(crowded, run);
  await ended(crowded, run);
  const bob = await signedIn(browser, crowded, 'bob');
  console.log(`${cpus().length} processors, ${cpus()[0]?.model}; ${browser.browserType().name()} ${browser.version()}`);

  const opening: string[][] = [];
  const scrolling: string[][] = [];
  const take = (what: string, all: Moved[]) =>
    scrolling.push([
      what,
      middle(all, (one) => one.framesPerSecond).toFixed(1),
      middle(all, (one) => one.p95).toFixed(1),
      middle(all, (one) => one.longest).toFixed(0),
      middle(all, (one) => one.longTasks).toFixed(0),
      middle(all, (one) => one.longestTask).toFixed(0),
      middle(all, (one) => one.pixels).toFixed(0),
    ]);
  for (const [size, options] of Object.entries(SIZES)) {
    const known: BrowserContextOptions = { ...options, ...bob, baseURL: crowded.url };
    for (const view of ['grid', 'list'] as const) {
      const moved: Moved[] = [];
      const opened = [];
      for (let sample = 0; sample <= TIMES; sample++) {
        const path = `/runs/${run.id}${view === 'list' ? '?view=list' : ''}`;
        const one = await open(browser, known, path, view === 'grid' ? GRID : LIST, async (page) => {
          const was = await scroll(page, PANES[view], SECONDS);
          if (sample > 0) moved.push(was);
        });
        if (sample > 0) opened.push(one);
      }
      opening.push([
        `${size}, ${view}`,
        middle(opened, (one) => one.usable).toFixed(0),
        Math.max(...opened.map((one) => one.usable)).toFixed(0),
        middle(opened, (one) => one.longest).toFixed(0),
        (middle(opened, (one) => one.bytes) / 1000).toFixed(0),
      ]);
      take(`${size}, ${view}`, moved);
    }
    // While its tasks begin and end, which the page is told of one by one.
    const moved: Moved[] = [];
    for (let sample = 0; sample <= TIMES; sample++) {
      const next = await request(crowded);
      await open(browser, known, `/runs/${next.id}?tab=nodes`, GRID, async (page) => {
        const [was] = await Promise.all([scroll(page, PANES.grid, SECONDS), approve(crowded, next)]);
        if (sample > 0) moved.push(was);
      });
      await ended(crowded, next);
    }
    take(`${size}, grid, while it runs`, moved);
  }
  print(`a run with ${NODES} nodes, medians of ${TIMES}`, ['view', 'usable, ms', 'slowest', 'longest task', 'kB'], opening);
  const heads = ['scrolled by wheel', 'frames/s', '95 % of frames within, ms', 'longest frame', 'tasks > 50 ms', 'longest task', 'pixels'];
  print(`scrolling it for ${SECONDS} s, medians of ${TIMES}`, heads, scrolling);
});
