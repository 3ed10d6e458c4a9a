import { defineConfig } from '@playwright/test';
import { browser } from './tests/browser';

/** Against real servers with real agents: each worker starts a demo of its own (tests/harness.ts). */
export default defineConfig({
  testDir: 'tests',
  testMatch: '*.spec.ts',
  fullyParallel: false,
  workers: Number(process.env['SYNOD_WORKERS'] ?? 2),
  timeout: 180_000,
  expect: { timeout: 30_000 },
  forbidOnly: process.env['CI'] !== undefined,
  retries: 0,
  reporter: [['list']],
  outputDir: 'test-results',
  use: {
    ignoreHTTPSErrors: true,
    launchOptions: browser,
    viewport: { width: 1280, height: 800 },
    trace: 'off',
    screenshot: 'only-on-failure',
    locale: 'en-GB',
    timezoneId: 'UTC',
  },
});
