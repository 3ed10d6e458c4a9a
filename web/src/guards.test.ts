import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('.', import.meta.url));

function* sources(folder: string): Generator<string> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* sources(path);
    else if (/\.tsx?$/.test(name) && !/\.test\.tsx?$/.test(name)) yield path.slice(ROOT.length);
  }
}

/** Which sources hold something. */
const holding = (what: RegExp): string[] => [...sources(ROOT)].filter((path) => what.test(readFileSync(join(ROOT, path), 'utf8'))).sort();

describe('the house', () => {
  it('calls the server by the generated client only', () => {
    expect(holding(/(?<![\w.'`])fetch\(|XMLHttpRequest|sendBeacon|new WebSocket/)).toEqual(['api/client.ts', 'api/early.ts']);
  });

  it('polls nothing: what changes comes by the stream', () => {
    expect(holding(/refetchInterval/)).toEqual([]);
    expect(holding(/new EventSource\(/)).toEqual(['lib/live.ts', 'screens/runs/output/stream.ts']);
  });

  it('makes no markup of text', () => {
    expect(holding(/dangerouslySetInnerHTML|\.innerHTML|insertAdjacentHTML/)).toEqual([]);
  });
});

describe('what makes it installable', () => {
  const text = (path: string): string => readFileSync(join(ROOT, '..', path), 'utf8');

  it('is named by the page and complete', () => {
    expect(text('index.html')).toMatch(/<link rel="manifest"[^>]*manifest\.webmanifest/);
    const manifest = JSON.parse(text('public/manifest.webmanifest')) as Record<string, unknown> & {
      icons: { src: string; sizes: string }[];
    };
    expect(manifest).toMatchObject({ name: 'Synod', display: 'standalone', start_url: expect.any(String) });
    expect(manifest.icons.map(({ sizes }) => sizes)).toEqual(expect.arrayContaining(['192x192', '512x512']));
    for (const { src } of manifest.icons) expect(statSync(join(ROOT, '../public', src)).size).toBeGreaterThan(0);
  });
});
