import { describe, expect, it } from 'vitest';
import { joinCommand, quoted } from './join-command';

const plain = { server: 'https://ops.example.com:8443', token: 'synod_join_abc', caFingerprint: 'sha256:00ff' };

describe('the command that joins a machine', () => {
  it('names the server, the token and whom to believe', () => {
    expect(joinCommand(plain)).toBe(
      'synod agent \\\n  --server https://ops.example.com:8443 \\\n  --join-token synod_join_abc \\\n  --ca-fingerprint sha256:00ff',
    );
  });
  it('pins the trust root when one is published', () => {
    const text = joinCommand({ ...plain, name: 'web-9', trust: { mode: 'enforce', root: 'sha256:aa' } });
    expect(text).toContain('--name web-9 \\\n  --trust enforce \\\n  --trust-root sha256:aa');
    expect(joinCommand({ ...plain, trust: { mode: 'off', root: 'sha256:aa' } })).not.toContain('--trust');
  });
  it('leaves nothing to the shell', () => {
    expect(quoted('a b$(c)')).toBe("'a b$(c)'");
    expect(quoted("it's")).toBe("'it'\\''s'");
    expect(quoted('')).toBe("''");
  });
});
