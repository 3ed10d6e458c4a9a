// Builds the console into dist/, which the server embeds. In development it proxies to a running server (SYNOD_URL).
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { constants, gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import type { Plugin, Rolldown } from 'vite';
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

type Bundle = Record<string, Rolldown.OutputChunk | Rolldown.OutputAsset>;

/** A chunk with all it needs to begin, styles included. */
function closure(bundle: Bundle, name: string, into = new Set<string>()): Set<string> {
  const file = bundle[name];
  if (into.has(name) || file?.type !== 'chunk') return into;
  into.add(name);
  for (const style of file.viteMetadata?.importedCss ?? []) into.add(style);
  for (const other of file.imports) closure(bundle, other, into);
  return into;
}

/**
 * Each request costs, however small its answer: what begins is one file, so is the frame with all it needs, and so are the small parts
 * that many screens share. The editor's stay out of that: few screens have it.
 */
const GROUPS = [
  { name: 'begin', test: /\/src\/(main|api\/early|app\/screens|lib\/base)\.ts$|vite\/preload-helper/, priority: 3 },
  { name: 'frame', test: /\/src\/app\/frame\.tsx$/, priority: 2 },
  {
    name: 'parts',
    test: /^(?!.*(node_modules\/(@codemirror|@lezer|yaml)|\/src\/editor)\/)/,
    minShareCount: 5,
    maxModuleSize: 30_000,
    priority: 1,
  },
];

/** What every first load has: what begins it, and the frame around the screens. */
function frameOf(bundle: Bundle): string[] {
  const parts = Object.values(bundle).filter((file) => file.type === 'chunk' && (file.name === 'begin' || file.name === 'frame'));
  if (parts.length !== 2)
    throw new Error(`the build has ${parts.length} of the chunks begin and frame: what is in every first load has to be found anew`);
  return [...new Set(parts.flatMap((chunk) => [...closure(bundle, chunk.fileName)]))];
}

/** Names the frame in the page, so that it is not asked for only once what begins has come and run. */
function hastened(): Plugin {
  return {
    name: 'hastened',
    apply: 'build',
    transformIndexHtml: {
      order: 'post',
      handler(html, { bundle = {} }) {
        return frameOf(bundle)
          .filter((name) => !html.includes(name))
          .map((name) => ({
            tag: 'link',
            attrs: { rel: name.endsWith('.css') ? 'stylesheet' : 'modulepreload', crossorigin: true, href: `./${name}` },
            injectTo: 'head' as const,
          }));
      },
    },
  };
}

/** A first load may weigh so much, as it travels: the frame with where people arrive, and where links from elsewhere lead. */
const FIRST = 350_000;
const ARRIVALS = /screens\/(sign-in|setup|inbox|runs)\//;
/** Screens with a form made from a schema may weigh more. */
const ANY = 420_000;

/** Fails the build where the frame with a screen weighs more than it may. */
function bounded(): Plugin {
  return {
    name: 'bounded',
    apply: 'build',
    writeBundle(_, bundle) {
      const weights = new Map<string, number>();
      const weigh = (name: string): number => {
        const file = bundle[name];
        if (file === undefined) throw new Error(`the build names ${name}, and has no such file`);
        const weight = weights.get(name) ?? gzipSync(file.type === 'chunk' ? file.code : file.source).length;
        weights.set(name, weight);
        return weight;
      };
      const chunks = Object.values(bundle).filter((file) => file.type === 'chunk');
      const frame = frameOf(bundle);
      // Those the frame loads; what a screen loads by itself comes after it is there.
      const later = new Set(chunks.filter((chunk) => frame.includes(chunk.fileName)).flatMap((chunk) => chunk.dynamicImports));
      const screens = chunks.filter((chunk) => later.has(chunk.fileName) && !frame.includes(chunk.fileName));
      if (screens.length < 10) throw new Error('the build has no screens: what is weighed here has to be found anew');
      for (const screen of screens) {
        const names = [...new Set([...frame, ...closure(bundle, screen.fileName)])];
        const weight = names.reduce((sum, name) => sum + weigh(name), 0);
        const what = screen.facadeModuleId?.replace(/.*\/src\//, '') ?? '';
        const most = ARRIVALS.test(what) ? FIRST : ANY;
        if (weight > most) throw new Error(`${what} weighs ${weight} bytes with the frame; ${most} are allowed`);
        if (process.env['WEIGHTS']) console.log(`${weight} ${what}, in ${names.length} files`);
      }
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
  plugins: [react(), placeholders(), hastened(), bounded(), compressed()],
  resolve: { alias: { '~': fileURLToPath(new URL('src', import.meta.url)) } },
  build: {
    target: 'es2022',
    sourcemap: false,
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rolldownOptions: { output: { codeSplitting: { groups: GROUPS } } },
  },
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
