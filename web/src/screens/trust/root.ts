import type { Schemas } from '~/api/client';
import type { paths } from '~/api/schema';

export type TrustRoot = Schemas['TrustRoot'];
export type Finding = Schemas['RootFinding'];
export type Envelope = Schemas['Envelope'];
export type Outlook = paths['/api/v1/trust/outlook']['get']['responses'][200]['content']['application/json'];

/** A key as roots write it: an OpenSSH line, or a passkey. */
export type KeySpec = string | { credentialId: string; publicKey: string };
type From = { role: string } | { group: string } | { user: string };
export interface Rule {
  name: string;
  templates: string[];
  nodes: string[];
  approval: { rules: { count: number; from: From }[]; requesterMayApprove?: boolean; authorMayApprove?: boolean; rejections?: number };
}
export interface BreakGlass {
  name: string;
  who: string[];
  templates: string[];
  nodes: string[];
  perDay: number;
  maxNodes: number;
}
export interface Principal {
  name: string;
  root?: boolean;
  roles?: string[];
  groups?: string[];
  keys: KeySpec[];
}

/** The document that holders sign, as far as this screen reads it. */
export interface RootDoc {
  version: number;
  createdAt: string;
  expiresAt: string;
  previous?: string;
  threshold: number;
  principals: Principal[];
  rules: Rule[];
  breakGlass?: BreakGlass[];
  passkeys?: { rpId: string; origins: string[] };
  revoked?: { key: string; at: string; reason: string }[];
}

/** The document of a published root: the server judged it before it was published. */
export const docOf = (root: Pick<TrustRoot, 'document'>): RootDoc => root.document as unknown as RootDoc;

const patterns = (all: string, what: string, globs: string[]): string =>
  globs.includes('*') || globs.includes('*/*') ? all : `${what}${globs.join(', ')}`;
/** `shop/* on web-*`; everything and every node by words. */
export const aboutWords = (rule: Pick<Rule, 'templates' | 'nodes'>): string =>
  `${patterns('every template', '', rule.templates)} on ${patterns('every node', '', rule.nodes)}`;

const fromWords = (from: From): string => {
  if ('role' in from) return `with role ${from.role}`;
  return 'group' in from ? `of group ${from.group}` : `namely ${from.user}`;
};

/** What a rule asks for: `2 with role approver`. */
export const needsWords = (rule: Rule): string[] => rule.approval.rules.map((one) => `${one.count} ${fromWords(one.from)}`);

/** Who is kept out, and when it ends. */
export function conditionWords({ approval }: Rule): string {
  const requester = approval.requesterMayApprove ? 'The requester may approve' : 'The requester may not approve';
  const author = (approval.authorMayApprove ?? true) ? 'the author of the template may' : 'the author of the template may not';
  const rejections = approval.rejections ?? 1;
  return `${requester}, ${author}; ${rejections} ${rejections === 1 ? 'rejection ends' : 'rejections end'} it.`;
}

/** `carol may start shop/restart-service on every node alone, 1 run a day, on at most 3 nodes` */
export const breakGlassWords = (rule: BreakGlass): string =>
  `${rule.who.join(', ')} may start ${aboutWords(rule)} alone, ${rule.perDay} ${rule.perDay === 1 ? 'run' : 'runs'} a day, on at most ${rule.maxNodes} ${rule.maxNodes === 1 ? 'node' : 'nodes'}.`;

/** A key, short, for telling keys apart: its line without the comment, or the passkey's credential. */
const keyText = (key: KeySpec): string => (typeof key === 'string' ? key.split(' ').slice(0, 2).join(' ') : `passkey ${key.credentialId}`);

/** What changed from one version to the next, a line each. */
export function changesBetween(before: RootDoc, after: RootDoc): string[] {
  const lines: string[] = [];
  if (before.threshold !== after.threshold) lines.push(`Holders who must sign a root: ${before.threshold} → ${after.threshold}`);
  for (const old of before.principals) {
    const now = after.principals.find((one) => one.name === old.name);
    if (now) lines.push(...personChanges(old, now));
    else lines.push(`${old.name} is removed`);
  }
  for (const person of after.principals.filter((one) => !before.principals.some((old) => old.name === one.name))) {
    lines.push(
      `${person.name} is added${person.root ? ', may sign roots' : ''}; roles: ${(person.roles ?? []).join(', ') || 'none'}; groups: ${(person.groups ?? []).join(', ') || 'none'}`,
    );
  }
  lines.push(
    ...named(
      'Rule',
      before.rules,
      after.rules,
      (rule) => `${needsWords(rule).join(' and ')} for ${aboutWords(rule)}. ${conditionWords(rule)}`,
    ),
  );
  lines.push(...named('Break-glass rule', before.breakGlass ?? [], after.breakGlass ?? [], breakGlassWords));
  const site = (doc: RootDoc) => (doc.passkeys ? `${doc.passkeys.rpId} at ${doc.passkeys.origins.join(', ')}` : 'no site');
  if (site(before) !== site(after)) lines.push(`Passkeys count for ${site(before)} → ${site(after)}`);
  const known = new Set((before.revoked ?? []).map((one) => one.key));
  for (const one of after.revoked ?? []) if (!known.has(one.key)) lines.push(`${one.key} is revoked: ${one.reason}`);
  return lines;
}

function personChanges(old: Principal, now: Principal): string[] {
  const lines: string[] = [];
  if ((old.root ?? false) !== (now.root ?? false)) lines.push(`${now.name} may ${now.root ? 'from now on' : 'no longer'} sign roots`);
  const compare = (what: string, a: string[], b: string[]) => {
    for (const one of b) if (!a.includes(one)) lines.push(`${now.name} gains the ${what} ${one}`);
    for (const one of a) if (!b.includes(one)) lines.push(`${now.name} loses the ${what} ${one}`);
  };
  compare('role', old.roles ?? [], now.roles ?? []);
  compare('group', old.groups ?? [], now.groups ?? []);
  compare('key', old.keys.map(keyText), now.keys.map(keyText));
  return lines;
}

function named<T extends { name: string }>(what: string, before: T[], after: T[], words: (one: T) => string): string[] {
  const lines: string[] = [];
  for (const old of before) {
    const now = after.find((one) => one.name === old.name);
    if (!now) lines.push(`${what} ${old.name} is removed; it was: ${words(old)}`);
    else if (words(old) !== words(now)) lines.push(`${what} ${old.name}: ${words(old)} → ${words(now)}`);
  }
  for (const now of after) if (!before.some((old) => old.name === now.name)) lines.push(`${what} ${now.name} is added: ${words(now)}`);
  return lines;
}

/** How near the end is: no worry, within 30 days, passed. */
export type Lasting = 'well' | 'soon' | 'over';
export function lasting(expiresAt: string, now = Date.now()): Lasting {
  const left = new Date(expiresAt).getTime() - now;
  if (left <= 0) return 'over';
  return left <= 30 * 86_400_000 ? 'soon' : 'well';
}
