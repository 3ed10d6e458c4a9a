import { useMediaQuery } from '@mantine/hooks';
import { api, client, type Schemas } from '~/api/client';
import { invalidate } from '~/api/query';
import { useMay } from './may';
import type { Plural, Specs, Thing } from './words';

/** A document as a thing of its kind. The server checked it before it was stored. */
export function toThing<P extends Plural>(document: Schemas['Document']): Thing<P> {
  const { metadata } = document;
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    labels: metadata.labels ?? {},
    revision: metadata.revision ?? 0,
    author: metadata.author ?? '',
    updatedAt: metadata.updatedAt ?? '',
    spec: document.spec as unknown as Specs[P],
  };
}

/** Everything of one kind that the caller may see. */
export function useThings<P extends Plural>(kind: P) {
  const { data, error, isPending, refetch } = api.useQuery('get', '/api/v1/objects/{kind}', { params: { path: { kind } } });
  const newest = async () => (await refetch()).data?.items.map((item) => toThing<P>(item)) ?? [];
  return { things: data?.items.map((item) => toThing<P>(item)) ?? [], error, isPending, refetch, newest };
}

/** The names of all accounts. Who may not list accounts still may ask who may do what, which names them as well. */
export function useUserNames(): string[] {
  const { allowed } = useMay('user.read');
  const listed = api.useQuery('get', '/api/v1/users', {}, { enabled: allowed === true });
  const asked = api.useQuery('get', '/api/v1/access/matrix', {}, { enabled: allowed === false, retry: false });
  return listed.data?.items.map((user) => user.name) ?? asked.data?.people.map((person) => person.user) ?? [];
}

/** Deletes a thing, if it still is as the caller saw it. */
export async function deleteThing<P extends Plural>(kind: P, thing: Thing<P>): Promise<void> {
  await client.DELETE('/api/v1/objects/{kind}/{name}', {
    params: {
      path: { kind, name: thing.name },
      query: { namespace: thing.namespace || undefined },
      header: { 'If-Match': `"${thing.revision}"` },
    },
  });
  changed();
}

/** Applies one document, if the thing still is as the caller saw it; revision 0 is for a new one. */
export async function applyThing(document: object, revision: number): Promise<void> {
  await client.POST('/api/v1/apply', {
    params: { header: { 'If-Match': `"${revision}"` } },
    body: { documents: [document as Record<string, never>], dryRun: false },
  });
  changed();
}

/** Reads anew what a change of access touches. */
export const changed = (): void => invalidate('/api/v1/objects', '/api/v1/users', '/api/v1/access', '/api/v1/auth/whoami');

/** Whether there is room for a table. */
export const useWide = (): boolean => useMediaQuery('(min-width: 62em)', false, { getInitialValueInEffect: false });
/** Whether it is a phone, where dialogs take the whole screen. */
export const usePhone = (): boolean => useMediaQuery('(max-width: 48em)', false, { getInitialValueInEffect: false });
