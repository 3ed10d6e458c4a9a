import { describe, expect, it } from 'vitest';
import { commentOf, wrongWith } from './ssh-line';

describe('a pasted SSH key', () => {
  it('must be one public line', () => {
    expect(wrongWith('  ')).toMatch(/Paste/);
    expect(wrongWith('-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----')).toMatch(/private/);
    expect(wrongWith('ssh-ed25519 AAAA a\nssh-ed25519 BBBB b')).toMatch(/One key/);
    expect(wrongWith('ssh-ed25519 AAAA alice@laptop\n')).toBeUndefined();
  });

  it('is named by its comment', () => {
    expect(commentOf('ssh-ed25519 AAAA alice@laptop\n')).toBe('alice@laptop');
    expect(commentOf('ssh-ed25519 AAAA work key, new')).toBe('work key, new');
    expect(commentOf('ssh-ed25519 AAAA')).toBe('');
    expect(commentOf(`ssh-ed25519 AAAA ${'x'.repeat(200)}`)).toHaveLength(100);
  });
});
