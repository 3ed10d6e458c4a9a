import { describe, expect, it } from 'vitest';
import log from './fixtures/log.json';
import { readHead, readKey, readNote, verify } from './note';

const [first = ''] = log.heads;

describe('a signed head', () => {
  it('is signed by the log’s key', async () => {
    const key = await readKey(log.key);
    for (const text of log.heads) {
      const note = readNote(text);
      expect(await verify(note, key)).toBe('good');
      expect(readHead(note.text).origin).toBe(key.name);
    }
  });
  it('does not count when a part of it is altered', async () => {
    const key = await readKey(log.key);
    const note = readNote(first);
    expect(await verify({ ...note, text: note.text.replace(/\n(\d+)\n/, (_, size: string) => `\n${Number(size) + 1}\n`) }, key)).toBe(
      'bad',
    );
    expect(await verify({ ...note, signatures: [] }, key)).toBe('unsigned');
    expect(await verify({ ...note, signatures: [...note.signatures, ...note.signatures] }, key)).toBe('unsigned');
    expect(await verify(note, { ...key, name: 'synod/other' })).toBe('unsigned');
    expect(await verify(note, { ...key, key: key.key.map((byte) => byte ^ 1) })).not.toBe('good');
  });
  it('is refused when it cannot be read', () => {
    for (const text of ['', 'a\n1\n', `${first}x`, first.replace('\u2014', '-')]) expect(() => readNote(text), text).toThrow();
    for (const text of ['', 'log\n01\nAAAA\n', 'log\n5\nAAAA\n', 'log\n5\n!!\n']) expect(() => readHead(text), text).toThrow();
  });
});

it('a key whose id is another’s is refused', async () => {
  await expect(readKey(log.key.replace('synod/', 'synod/x'))).rejects.toThrow('altered');
  await expect(readKey('nothing')).rejects.toThrow('NAME+ID+KEY');
});
