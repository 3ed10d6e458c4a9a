import { describe, expect, it } from 'vitest';
import { hasPasskey, hasSsh, keysOf } from './trusted';

const passkey = { credentialId: 'AQID', publicKey: 'pQEC' };
const root = {
  apiVersion: 'synod/v1',
  kind: 'TrustRoot',
  principals: [
    { name: 'alice', root: true, keys: ['ssh-ed25519 AAAAC3Nz alice@laptop'] },
    { name: 'bob', keys: [passkey, 'ssh-ed25519 AAAAC3Nb'] },
  ],
};

describe('keys in the trust root', () => {
  it('are those of the person', () => {
    expect(keysOf(root, 'bob')).toHaveLength(2);
    expect(keysOf(root, 'mallory')).toEqual([]);
    expect(keysOf(undefined, 'bob')).toEqual([]);
    expect(keysOf({ principals: 'none' }, 'bob')).toEqual([]);
  });

  it('are told by the key, not by the comment', () => {
    expect(hasSsh(keysOf(root, 'alice'), 'ssh-ed25519  AAAAC3Nz other comment\n')).toBe(true);
    expect(hasSsh(keysOf(root, 'alice'), 'ssh-ed25519 AAAAC3Nb')).toBe(false);
    expect(hasSsh(keysOf(root, 'bob'), 'ssh-ed25519 AAAAC3Nb')).toBe(true);
    expect(hasPasskey(keysOf(root, 'bob'), passkey)).toBe(true);
    expect(hasPasskey(keysOf(root, 'bob'), { ...passkey, publicKey: 'pQED' })).toBe(false);
    expect(hasPasskey(keysOf(root, 'alice'), passkey)).toBe(false);
  });
});
