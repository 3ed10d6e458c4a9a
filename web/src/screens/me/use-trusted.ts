import { api } from '~/api/client';
import { keysOf, type RootKey } from './trusted';

/** The keys the newest trust root has for somebody, as far as the server lets one see it. */
export function useTrustedKeys(user: string): RootKey[] {
  const { data } = api.useQuery('get', '/api/v1/trust', {}, { retry: false });
  return keysOf(data?.root?.document, user);
}
