import { describe, expect, it } from 'vitest';
import { read, readable } from './answer';

const endless = (stopped: { yes: boolean }) =>
  new Response(
    new ReadableStream({
      pull: (sink) => sink.enqueue(new TextEncoder().encode('data\n')),
      cancel: () => void (stopped.yes = true),
    }),
  );

describe('a body', () => {
  it('is read to its end', async () => {
    const seen: string[] = [];
    expect(await read(new Response('all of it'), new AbortController().signal, (text) => seen.push(text))).toEqual({
      text: 'all of it',
      cut: false,
    });
    expect(seen.at(-1)).toBe('all of it');
    expect(await read(new Response(null), new AbortController().signal, () => undefined)).toEqual({ text: '', cut: false });
  });
  it('is cut where there is too much', async () => {
    const stopped = { yes: false };
    const { text, cut } = await read(endless(stopped), new AbortController().signal, () => undefined, 12);
    expect(text).toBe('data\ndata\ndata\n');
    expect([cut, stopped.yes]).toEqual([true, true]);
  });
  it('ends when it is stopped', async () => {
    const stopped = { yes: false };
    const stop = new AbortController();
    let reads = 0;
    const { cut } = await read(endless(stopped), stop.signal, () => void (++reads === 3 && stop.abort()));
    expect([cut, stopped.yes]).toEqual([true, true]);
  });
  it('is shown with indents when it is JSON', () => {
    expect(readable('{"a":1}', 'application/problem+json')).toBe('{\n  "a": 1\n}');
    expect(readable('{"a":', 'application/json')).toBe('{"a":');
    expect(readable('{"a":1}', 'text/plain')).toBe('{"a":1}');
  });
});
