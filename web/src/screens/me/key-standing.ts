import type { Schemas } from '~/api/client';

/** Whether an API key can still be used, and why not. */
export function standing(key: Pick<Schemas['ApiKey'], 'revokedAt' | 'expiresAt'>, now: number): 'good' | 'revoked' | 'expired' {
  if (key.revokedAt) return 'revoked';
  return new Date(key.expiresAt).getTime() <= now ? 'expired' : 'good';
}
