import { useQuery } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext, useEffect } from 'react';
import { api, client, type Schemas, setCsrfToken } from '~/api/client';
import { queryClient } from '~/api/query';
import { live } from '~/lib/live';
import { Renewal } from './renew';

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

/** Whose session this page shows. */
let user: string | undefined;

function adopt(me: WhoAmI): void {
  user = me.user;
  renewal.learn(me.sessionExpiresAt);
  if (me.csrfToken) setCsrfToken(me.csrfToken);
}

const readAnew = (): Promise<WhoAmI> => queryClient.fetchQuery({ ...whoamiOptions, staleTime: 0 });

const renewal = new Renewal(async () => {
  await client.POST('/api/v1/auth/renew');
  adopt(await readAnew());
});

/** Takes the token of a session that began in another tab; whether it is of the same person, for whom alone a change is sent again. */
export async function takeToken(): Promise<boolean> {
  const before = user;
  const me = await readAnew();
  adopt(me);
  return me.user === before;
}

/** Forgets everything that was read by the one who was signed in. */
export function forgetSession(): void {
  live.stop();
  user = undefined;
  setCsrfToken('');
  queryClient.clear();
}

const Session = createContext<WhoAmI | undefined>(undefined);

/** Gives the signed-in person to everything below and keeps the stream of events open. */
export function SessionProvider({ me: loaded, children }: { me: WhoAmI; children: ReactNode }) {
  const { data: me = loaded } = useQuery(whoamiOptions);
  useEffect(() => adopt(me), [me]);
  useEffect(() => live.start(), []);
  useEffect(() => {
    const used = () => renewal.used();
    const kinds = ['pointerdown', 'keydown'] as const;
    for (const kind of kinds) window.addEventListener(kind, used, { passive: true });
    return () => {
      for (const kind of kinds) window.removeEventListener(kind, used);
    };
  }, []);
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
