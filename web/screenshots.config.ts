import { defineConfig } from '@playwright/test';
import shared from './playwright.config';

/** `make screenshots`: pictures instead of tests. */
export default defineConfig({ ...shared, testMatch: 'screenshots.ts', workers: 1, timeout: 1_200_000 });
