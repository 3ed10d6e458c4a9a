import type { Browser, BrowserContextOptions, Page } from '@playwright/test';
import type { Caller } from '../caller';
import { signIn } from '../harness';

/** The sizes of window that figures are of: a phone's and a desk's. Both have this machine's processor and network. */
export const SIZES: Record<string, BrowserContextOptions> = {
  phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
  desk: { viewport: { width: 1440, height: 900 } },
};

/** How often each figure is taken, besides the first time, which does not count. */
export const SAMPLES = Number(process.env['SYNOD_BENCH_SAMPLES'] ?? 7);

/** What shows that a screen can be used: an element of this selector with these words in it. */
export interface Usable {
  css: string;
  text?: string;
}

/** What opening a screen came to. Times are in milliseconds since the navigation began. */
export interface Opened {
  /** The frame is drawn that shows what can be used. */
  usable: number;
  /** The page itself, then the first answer that was asked for by a script, had come. */
  page: number;
  answer: number;
  /** The longest task of the page's thread until then, and how long all were beyond 50 ms each. */
  longest: number;
  blocked: number;
  /** What had travelled a second later, but for the stream of events: requests, bytes as sent with their headers. */
  requests: number;
  bytes: number;
}

/** What moving a view came to. */
export interface Moved {
  framesPerSecond: number;
  /** Milliseconds from one frame to the next. */
  p95: number;
  longest: number;
  /** Tasks of more than 50 ms, and the longest of them. */
  longTasks: number;
  longestTask: number;
  /** How far it really moved, in pixels. */
  pixels: number;
}

interface Watched {
  usable: Promise<number>;
  tasks: { at: number; took: number }[];
}

/** Runs in the page before anything of its own: notes long tasks, and when something can be used first. */
function watch({ css, text }: Usable): void {
  const tasks: Watched['tasks'] = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) tasks.push({ at: entry.startTime, took: entry.duration });
  }).observe({ type: 'longtask', buffered: true });
  performance.setResourceTimingBufferSize(2000);
  const there = (): boolean =>
    [...document.querySelectorAll<HTMLElement>(css)].some((one) => {
      const { width, height } = one.getBoundingClientRect();
      const fits = text === undefined || one.textContent?.trim() === text;
      return (
        fits &&
        width > 0 &&
        height > 0 &&
        one.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
        !one.matches(':disabled')
      );
    });
  const usable = new Promise<number>((resolve) => {
    const look = (): void => {
      if (!there()) requestAnimationFrame(look);
      // What this frame shows is drawn when the next one begins.
      else requestAnimationFrame(() => resolve(performance.now()));
    };
    requestAnimationFrame(look);
  });
  Object.assign(globalThis, { watched: { usable, tasks } satisfies Watched });
}

/** What a browser knows in which somebody has signed in, and nothing else. */
export async function signedIn(browser: Browser, server: Caller, name: string): Promise<BrowserContextOptions> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, baseURL: server.url });
  await signIn(await context.newPage(), server, name);
  const storageState = await context.storageState();
  await context.close();
  return { storageState };
}

/** Opens a screen as somebody who has never been there: nothing cached, no connection open. Hands the page on before it is closed. */
export async function open(
  browser: Browser,
  options: BrowserContextOptions,
  path: string,
  usable: Usable,
  then?: (page: Page) => Promise<void>,
): Promise<Opened> {
  const context = await browser.newContext({ ...options, ignoreHTTPSErrors: true, locale: 'en-GB', timezoneId: 'UTC' });
  try {
    const page = await context.newPage();
    await page.addInitScript(watch, usable);
    await page.goto(path, { waitUntil: 'commit' });
    const at = await within(
      60,
      `${path}: ${usable.css}`,
      page.evaluate(() => (globalThis as unknown as { watched: Watched }).watched.usable),
    );
    await page.waitForTimeout(1000);
    const opened = await page.evaluate((until): Opened => {
      const { tasks } = (globalThis as unknown as { watched: Watched }).watched;
      const [page] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
      const all = performance.getEntriesByType('resource') as PerformanceResourceTiming[];
      const answers = all.filter((one) => one.initiatorType === 'fetch').map((one) => one.responseEnd);
      const before = tasks.filter((task) => task.at < until);
      return {
        usable: until,
        page: page?.responseEnd ?? 0,
        answer: Math.min(...answers),
        longest: Math.max(0, ...before.map((task) => task.took)),
        blocked: before.reduce((sum, task) => sum + task.took - 50, 0),
        requests: all.length + 1,
        bytes: all.reduce((sum, one) => sum + one.transferSize, page?.transferSize ?? 0),
      };
    }, at);
    await then?.(page);
    return opened;
  } finally {
    await context.close();
  }
}

/** Turns a wheel over something that scrolls, down and up by turns, and says what was drawn meanwhile. */
export async function scroll(page: Page, css: string, seconds: number): Promise<Moved> {
  const box = await page.locator(css).boundingBox();
  if (box === null) throw new Error(`${css}: is not on the page, so it cannot be scrolled`);
  await page.mouse.move(box.x + box.width / 2, box.y + Math.min(box.height, 300) / 2);
  const room = await page.locator(css).evaluate((pane) => pane.scrollHeight - pane.clientHeight);
  await page.evaluate((css) => {
    const pane = document.querySelector(css) as HTMLElement;
    const frames: number[] = [];
    const tasks: number[] = [];
    const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map((one) => one.duration)));
    observer.observe({ type: 'longtask' });
    let top = pane.scrollTop;
    let pixels = 0;
    let going = true;
    const frame = (at: number): void => {
      frames.push(at);
      pixels += Math.abs(pane.scrollTop - top);
      top = pane.scrollTop;
      if (going) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    const end = (): Moved => {
      going = false;
      observer.disconnect();
      const took = frames.slice(1).map((at, n) => at - (frames[n] ?? at));
      took.sort((a, b) => a - b);
      return {
        framesPerSecond: (took.length * 1000) / took.reduce((sum, one) => sum + one, 0),
        p95: took[Math.floor(took.length * 0.95)] ?? 0,
        longest: took.at(-1) ?? 0,
        longTasks: tasks.length,
        longestTask: Math.max(0, ...tasks),
        pixels,
      };
    };
    Object.assign(globalThis, { moved: end });
  }, css);
  // A turn goes from one end to the other in some two seconds, or as fast as a hand would.
  const step = Math.min(120, Math.max(20, room / 100));
  const until = Date.now() + seconds * 1000;
  let gone = 0;
  for (let way = 1; Date.now() < until;) {
    await page.mouse.wheel(0, way * step);
    gone += step;
    if (gone >= Math.min(room, 12_000)) [gone, way] = [0, -way];
    await page.waitForTimeout(8);
  }
  return page.evaluate(() => (globalThis as unknown as { moved: () => Moved }).moved());
}

/** The middle of some figures. */
export function median(figures: number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? NaN) + upper) / 2;
}

/** The middle of one figure of several samples. */
export const middle = <T>(samples: T[], of: (sample: T) => number): number => median(samples.map(of));

/** Prints a table as RESULTS.md takes it. */
export function print(title: string, heads: string[], rows: string[][]): void {
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`;
  console.log(`\n${title}\n\n${[line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n')}\n`);
}

async function within<T>(seconds: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} is not there after ${seconds} s`)), seconds * 1000);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
