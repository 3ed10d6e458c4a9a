import { describe, expect, it } from 'vitest';
import { fromBase64url, isAddress, obstacle, PasskeyError, toBase64url, toPasskeyError } from './passkey';

describe('base64url', () => {
  it('goes there and back for every length and byte', () => {
    for (let length = 0; length < 70; length++) {
      const bytes = Uint8Array.from({ length }, (_, n) => (n * 37 + length * 11) % 256);
      const text = toBase64url(bytes);
      expect(text).toMatch(/^[A-Za-z0-9_-]*$/);
      expect(fromBase64url(text)).toEqual(bytes);
    }
  });

  it('uses the alphabet for addresses and no padding', () => {
    expect(toBase64url(new Uint8Array([0xfb, 0xff, 0xfe]))).toBe('-__-');
    expect(toBase64url(new Uint8Array([1]))).toBe('AQ');
    expect(fromBase64url('AQ==')).toEqual(new Uint8Array([1]));
  });
});

describe('where passkeys are possible', () => {
  it('knows addresses from names', () => {
    expect(isAddress('10.0.0.7')).toBe(true);
    expect(isAddress('[fd00::1]')).toBe(true);
    expect(isAddress('synod.example.org')).toBe(false);
    expect(isAddress('localhost')).toBe(false);
  });

  it('allows the site itself and hosts below it', () => {
    expect(obstacle('synod.example.org', 'synod.example.org')).toBeUndefined();
    expect(obstacle('a.synod.example.org', 'synod.example.org')).toBeUndefined();
    expect(obstacle('localhost', 'localhost')).toBeUndefined();
  });

  it('says what is in the way and where to go', () => {
    expect(obstacle('10.0.0.7', 'synod.example.org')).toMatchObject({
      why: 'address',
      problem: { remedy: 'Open the console at synod.example.org.' },
    });
    expect(obstacle('10.0.0.7')).toMatchObject({
      why: 'address',
      problem: { remedy: 'Open the console by the name of the server.' },
    });
    expect(obstacle('evilsynod.example.org', 'synod.example.org')).toMatchObject({ why: 'site' });
  });
});

describe('what the browser throws', () => {
  const told = (name: string, host = 'localhost') => toPasskeyError(new DOMException('…', name), host, 'localhost');

  it('becomes plain words', () => {
    expect(told('NotAllowedError')).toMatchObject({ why: 'cancelled' });
    expect(told('AbortError')).toMatchObject({ why: 'cancelled' });
    expect(told('InvalidStateError')).toMatchObject({ why: 'exists' });
    expect(told('NotSupportedError')).toMatchObject({ why: 'unsupported' });
    expect(told('SecurityError', '127.0.0.1')).toMatchObject({
      why: 'address',
    });
    expect(told('SecurityError')).toMatchObject({
      why: 'site',
      message: 'It does not trust the connection to localhost.',
    });
    expect(told('EncodingError')).toMatchObject({
      why: 'failed',
      message: '…',
    });
  });

  it('keeps what is plain already', () => {
    const plain = new PasskeyError('address', 'a', 'b', 'c');
    expect(toPasskeyError(plain, 'localhost', 'localhost')).toBe(plain);
  });
});
