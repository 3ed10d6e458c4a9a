import type { Schemas } from '~/api/client';

export type Role = Schemas['Role'];
export type HeldRole = Schemas['HeldRole'];
export type Subject = { user: string; group?: undefined } | { group: string; user?: undefined };

/** What each kind says, as far as this screen reads it. */
export interface Specs {
  groups: { description?: string; members?: string[] };
  rolebindings: { role: Role; subjects: Subject[]; expires?: string | null };
  namespaces: { title?: string; description?: string; nodes?: string; frozen?: boolean };
  policies: { description?: string; cedar: string };
}

export type Plural = keyof Specs;

/** A declared thing with its history. */
export interface Thing<P extends Plural> {
  namespace: string;
  name: string;
  labels: Record<string, string>;
  revision: number;
  author: string;
  updatedAt: string;
  spec: Specs[P];
}

/** The roles, weakest first, in plain words. */
export const ROLES: { role: Role; may: string }[] = [
  { role: 'viewer', may: 'Sees templates, runs, nodes and who has which role. Changes nothing.' },
  { role: 'approver', may: 'Sees, and approves or rejects what others request.' },
  { role: 'requester', may: 'Requests, cancels and lets runs go on; approves what others request.' },
  { role: 'administrator', may: 'Writes templates, requests and approves. Given everywhere: also namespaces, nodes and join tokens.' },
  {
    role: 'owner',
    may: 'Decides who has which role, and deletes. Given everywhere: also accounts, groups, policies and backups. Does not approve.',
  },
];

/** `in shop`, or `everywhere` when it is in no namespace. */
export const where = (namespace: string | null | undefined): string => (namespace ? `in ${namespace}` : 'everywhere');

/** How the end of a role stands: no end, far away, within a week, passed. */
export type Ending = 'never' | 'later' | 'soon' | 'ended';
const WEEK = 7 * 86_400_000;
export function ending(expires: string | null | undefined, now = Date.now()): Ending {
  if (!expires) return 'never';
  const left = new Date(expires).getTime() - now;
  if (left <= 0) return 'ended';
  return left <= WEEK ? 'soon' : 'later';
}

/** A role somebody has, by which binding and through which group. */
export interface Held {
  binding: Thing<'rolebindings'>;
  through?: string;
}

/** The roles somebody has, by themselves and through groups. */
export function heldBy(user: string, bindings: Thing<'rolebindings'>[], groups: Thing<'groups'>[]): Held[] {
  const within = new Set(groupsOf(user, groups));
  const held: Held[] = [];
  for (const binding of bindings) {
    for (const subject of binding.spec.subjects) {
      if (subject.user === user) held.push({ binding });
      else if (subject.group !== undefined && within.has(subject.group)) held.push({ binding, through: subject.group });
    }
  }
  return held;
}

/** The groups somebody is in. */
export const groupsOf = (user: string, groups: Thing<'groups'>[]): string[] =>
  groups.filter((group) => group.spec.members?.includes(user)).map((group) => group.name);

/** A subject as one text, for choosing and for the address: `user:alice`. */
export const subjectKey = (subject: Subject): string => (subject.user !== undefined ? `user:${subject.user}` : `group:${subject.group}`);

/** And back; `undefined` for anything else. */
export function readSubject(key: string | undefined): Subject | undefined {
  const [, kind, name] = /^(user|group):(.+)$/.exec(key ?? '') ?? [];
  if (name === undefined) return undefined;
  return kind === 'user' ? { user: name } : { group: name };
}

/** A name for something new that nothing has yet: made of letters, digits and `-`, at most 63. */
export function freeName(wanted: string, taken: string[]): string {
  const name = wanted
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 58)
    .replace(/-+$/, '');
  if (!taken.includes(name)) return name;
  for (let n = 2; ; n++) if (!taken.includes(`${name}-${n}`)) return `${name}-${n}`;
}

/** What applying needs of a thing: nothing that the server fills in. */
export function toDocument(
  kind: Schemas['Kind'],
  name: string,
  spec: object,
  extra: { namespace?: string; labels?: Record<string, string> } = {},
) {
  const labels = extra.labels && Object.keys(extra.labels).length > 0 ? { labels: extra.labels } : {};
  return { apiVersion: 'synod/v1', kind, metadata: { ...(extra.namespace ? { namespace: extra.namespace } : {}), name, ...labels }, spec };
}
