import { describe, expect, it } from 'vitest';
import type { Schemas } from '~/api/client';
import { carried, pieces, plain } from './ansi';
import { LONGEST, OutputBuffer } from './buffer';

type Segment = Schemas['Segment'];
let ids = 0;
const chunk = (segments: Partial<Segment>[], node = 'web-1'): Schemas['OutputChunk'] => ({
  id: ++ids,
  task: `r.${node}`,
  node,
  chunk: ids,
  segments: segments.map((one) => ({ step: 0, stream: 'stdout', at: '2026-11-23T00:00:00Z', ...one }) as Segment),
});
const lines = (buffer: OutputBuffer) =>
  Array.from({ length: buffer.length }, (_, n) => `${buffer.at(n)?.node} ${buffer.at(n)?.stream}: ${plain(buffer.at(n)?.text ?? '')}`);

describe('output', () => {
  it('joins what came in pieces, by node and stream', () => {
    const buffer = new OutputBuffer(100);
    buffer.add(chunk([{ text: 'one\ntw' }, { stream: 'stderr', text: 'bad\n' }]));
    buffer.add(chunk([{ text: 'other\n' }], 'web-2'));
    buffer.add(chunk([{ text: 'o\n\nlast' }]));
    expect(lines(buffer)).toEqual([
      'web-1 stdout: one',
      'web-1 stdout: two',
      'web-1 stderr: bad',
      'web-2 stdout: other',
      'web-1 stdout: ',
      'web-1 stdout: last',
    ]);
  });

  it('tells what was dropped and what is no text', () => {
    const buffer = new OutputBuffer(100);
    buffer.add(chunk([{ text: 'a' }, { droppedBytes: 1500, text: 'b\n' }, { base64: 'AAEC' }]));
    expect(lines(buffer)).toEqual([
      'web-1 stdout: a',
      'web-1 note: 1,500 bytes were dropped here',
      'web-1 stdout: b',
      'web-1 note: 3 bytes that are no text',
    ]);
    expect(buffer.dropped).toBe(1500);
  });

  it('writes over a line after a carriage return', () => {
    const buffer = new OutputBuffer(100);
    buffer.add(chunk([{ text: '10 %\r20 %\r' }]));
    buffer.add(chunk([{ text: '100 %\r\ndone\r\n' }]));
    expect(lines(buffer)).toEqual(['web-1 stdout: 100 %', 'web-1 stdout: done']);
  });

  it('begins each step on a line of its own', () => {
    const buffer = new OutputBuffer(100);
    buffer.add(chunk([{ text: 'no end' }, { step: 1, text: 'next\n' }]));
    expect(lines(buffer)).toEqual(['web-1 stdout: no end', 'web-1 stdout: next']);
  });

  it('stays within its bounds', () => {
    const buffer = new OutputBuffer(1000);
    for (let n = 0; n < 200; n++) buffer.add(chunk([{ text: `${'x\n'.repeat(100)}` }]));
    expect(buffer.length).toBeLessThanOrEqual(1100);
    expect(buffer.length + buffer.gone).toBe(20_000);
    const long = new OutputBuffer(1000);
    long.add(chunk([{ text: 'y'.repeat(3 * LONGEST + 1) }]));
    expect(long.length).toBe(4);
  });

  it('is searched without its colours', () => {
    const buffer = new OutputBuffer(100);
    buffer.add(chunk([{ text: 'fi\u001b[31mne\u001b[0m\nbad\nFINE\n' }]));
    expect(buffer.find('fine')).toEqual([0, 2]);
    expect(buffer.find('')).toEqual([]);
  });
});

describe('colours', () => {
  it('become pieces of text', () => {
    const [before, red, after] = pieces('a<b> \u001b[1;31m"red" & <i>\u001b[0m c');
    expect([before?.text, red?.text, after?.text]).toEqual(['a<b> ', '"red" & <i>', ' c']);
    expect(red?.style?.fontWeight).toBe('var(--ansi-bold-font-weight, 600)');
    expect(red?.style?.color).toMatch(/^var\(--ansi-/);
    expect(before?.style ?? {}).toEqual({});
  });

  it('are no way to bring in anything else', () => {
    const text = pieces('\u001b[31m<img src=x onerror=alert(1)>\u001b]8;;https://evil.example\u0007link\u001b]8;;\u0007')
      .map((piece) => piece.text)
      .join('');
    expect(text).toContain('<img src=x onerror=alert(1)>');
    expect(text).toContain('link');
    expect(pieces('a\u001b[31mb\u001b[8mhidden\u001b]0;swallowed').map((piece) => piece.text)).toEqual(['abhidden⟦U+001B⟧]0;swallowed']);
    expect(pieces('a\u001b[8mhidden\u001b[0m').map((piece) => piece.style ?? {})).toEqual([{}, {}]);
  });

  it('go on in the next line until they end', () => {
    expect(carried('\u001b[31mred', '')).toBe('\u001b[31m');
    expect(carried('still', '\u001b[31m')).toBe('\u001b[31m');
    expect(carried('\u001b[0mno more', '\u001b[31m')).toBe('');
  });
});
