import { describe, expect, it } from 'vitest';
import { clientName } from './clients';
import { standing } from './key-standing';

describe('what a client is called', () => {
  it.each([
    ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox 140 on Linux'],
    [
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0',
      'Edge 141 on Windows',
    ],
    [
      'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36',
      'Chrome 141 on Android',
    ],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1',
      'Safari 26 on iPhone',
    ],
    [
      'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/141.0.0.0 Safari/537.36',
      'Chrome 141 on Linux',
    ],
    ['synod/0.1.0', 'synod'],
    ['my <b>bot</b>', 'my <b>bot</b>'],
    ['', 'an unnamed client'],
  ])('%j', (agent, name) => expect(clientName(agent)).toBe(name));
});

describe('an API key', () => {
  const now = Date.parse('2026-06-01T00:00:00Z');

  it('is good until it ends or is revoked', () => {
    expect(standing({ expiresAt: '2026-06-01T00:00:01Z' }, now)).toBe('good');
    expect(standing({ expiresAt: '2026-06-01T00:00:00Z' }, now)).toBe('expired');
    expect(standing({ expiresAt: '2027-01-01T00:00:00Z', revokedAt: '2026-05-01T00:00:00Z' }, now)).toBe('revoked');
  });
});
