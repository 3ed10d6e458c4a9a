import { defineConfig } from '@playwright/test';
import shared from './playwright.config';

/** `make bench-console`: figures instead of tests. One thing at a time, so that nothing is measured beside something else. */
export default defineConfig({
  ...shared,
  testDir: 'tests/bench',
  testMatch: ['screens.ts', 'scrolling.ts'],
  workers: 1,
  timeout: 3_600_000,
});
