// Builds the console into dist/, which the server embeds. In development it proxies to a running server (SYNOD_URL).
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { constants, gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const TEXT = /\.(html|js|css|svg|json|webmanifest|txt)$/;

/** Writes each text file's gzip beside it, so that the server never compresses. The page itself is filled in per answer. */
function compressed(): Plugin {
  return {
    name: 'compressed',
    apply: 'build',
    closeBundle() {
      const walk = (folder: string): void => {
        for (const name of readdirSync(folder)) {
          const path = join(folder, name);
          if (statSync(path).isDirectory()) walk(path);
          else if (TEXT.test(name) && name !== 'index.html') {
            writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: constants.Z_BEST_COMPRESSION }));
          }
        }
      };
      walk(fileURLToPath(new URL('dist', import.meta.url)));
    },
  };
}

/** What the server fills into the page, while there is none in front. */
function placeholders(): Plugin {
  return {
    name: 'placeholders',
    apply: 'serve',
    transformIndexHtml: (html) => html.replaceAll('__SYNOD_BASE__', '/').replaceAll('__SYNOD_NONCE__', ''),
  };
}

const server = process.env['SYNOD_URL'] ?? 'https://localhost:8443';
const toServer = { target: server, secure: false, changeOrigin: true };

export default defineConfig({
  base: './',
  plugins: [react(), placeholders(), compressed()],
  resolve: { alias: { '~': fileURLToPath(new URL('src', import.meta.url)) } },
  build: { target: 'es2022', sourcemap: false, modulePreload: { polyfill: false }, assetsInlineLimit: 0 },
  server: {
    host: 'localhost',
    proxy: {
      '/api/v1': toServer,
      '/audit/tile': toServer,
      '/audit/checkpoint': toServer,
      '/audit/key': toServer,
      '/openapi.json': toServer,
    },
  },
  test: { include: ['src/**/*.test.ts', 'src/**/*.test.tsx'] },
});
