import { useQuery } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext, useEffect } from 'react';
import { api, type Schemas, setCsrfToken } from '~/api/client';
import { queryClient } from '~/api/query';
import { live } from '~/lib/live';

export type WhoAmI = Schemas['WhoAmI'];

/** How to read who is signed in, for the router and for hooks alike. */
export const whoamiOptions = api.queryOptions('get', '/api/v1/auth/whoami', {}, { staleTime: 60_000, retry: false });

/** Who is signed in; throws an `ApiError` when nobody is. */
export async function loadSession(): Promise<WhoAmI> {
  const me = await queryClient.ensureQueryData(whoamiOptions);
  adopt(me);
  await live.prepare();
  return me;
}

function adopt(me: WhoAmI): void {
  if (me.csrfToken) setCsrfToken(me.csrfToken);
}

/** Forgets everything that was read by the one who was signed in. */
export function forgetSession(): void {
  live.stop();
  setCsrfToken('');
  queryClient.clear();
}

const Session = createContext<WhoAmI | undefined>(undefined);

/** Gives the signed-in person to everything below and keeps the stream of events open. */
export function SessionProvider({ me: loaded, children }: { me: WhoAmI; children: ReactNode }) {
  const { data: me = loaded } = useQuery(whoamiOptions);
  useEffect(() => adopt(me), [me]);
  useEffect(() => live.start(), []);
  return <Session.Provider value={me}>{children}</Session.Provider>;
}

/** Who is signed in. */
export function useMe(): WhoAmI {
  const me = useContext(Session);
  if (me === undefined) throw new Error('useMe outside of a session');
  return me;
}

/** Whether the caller may do something, by the server's word; `undefined` until it is known. */
export function useCan(action: string, where: { namespace?: string; template?: string } = {}): boolean | undefined {
  const { data } = api.useQuery('get', '/api/v1/access/can-i', { params: { query: { action, ...where } } });
  return data?.allowed;
}
