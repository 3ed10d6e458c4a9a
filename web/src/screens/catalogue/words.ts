import type { RJSFSchema } from '@rjsf/utils';
import type { Schemas } from '~/api/client';

/** A template with its spec typed: documents of every kind share one type in the API's description. */
export interface Template {
  metadata: Schemas['Metadata'];
  spec: Omit<Schemas['TemplateSpec'], 'inputs'> & { inputs?: RJSFSchema };
}

/** The document read as a template. */
export const asTemplate = (document: Schemas['Document']): Template => document as unknown as Template;

/** How many nodes of what sort: `nodes with role=web, never env=lab; 1 to 50 of them`. */
export function where(spec: Template['spec']): string {
  const { selector = '', exclude, min = 1, max } = spec.targets ?? {};
  const which = selector === '' ? 'any node' : `nodes with ${selector}`;
  const never = exclude ? `, never ${exclude}` : '';
  const many = max ? (max === min ? `; exactly ${max} of them` : `; ${min} to ${max} of them`) : min > 1 ? `; at least ${min} of them` : '';
  return which + never + many;
}

const PEOPLE: Record<string, string> = {
  viewer: 'viewers',
  approver: 'approvers',
  requester: 'requesters',
  administrator: 'administrators',
  owner: 'owners',
};

/** Who must agree: `2 people: 1 of the approvers and 1 of group oncall`. */
export function agreement(spec: Template['spec']): string {
  const rules = spec.approval.rules.filter((rule) => rule.count > 0);
  if (rules.length === 0) return 'nobody has to approve';
  const total = rules.reduce((sum, rule) => sum + rule.count, 0);
  const each = rules.map(({ count, from }) =>
    'user' in from ? from.user : 'group' in from ? `${count} of group ${from.group}` : `${count} of the ${PEOPLE[from.role] ?? from.role}`,
  );
  return `${total} ${total === 1 ? 'person' : 'people'}: ${each.length > 1 ? `${each.slice(0, -1).join(', ')} and ${each.at(-1)}` : each[0]}`;
}

/** Whether a template has all words of a search, anywhere people would look. */
export function finds(template: Template, search: string): boolean {
  const { namespace, name, labels } = template.metadata;
  const text = [
    namespace,
    name,
    template.spec.title,
    template.spec.description,
    ...Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`),
  ]
    .join(' ')
    .toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** All labels that stand on templates, as `key=value`, those that most have first. */
export function labelsOf(templates: readonly Template[]): string[] {
  const counts = new Map<string, number>();
  for (const { metadata } of templates)
    for (const [key, value] of Object.entries(metadata.labels ?? {}))
      counts.set(`${key}=${value}`, (counts.get(`${key}=${value}`) ?? 0) + 1);
  return [...counts].sort(([a, m], [b, n]) => n - m || a.localeCompare(b)).map(([label]) => label);
}

/** Whether a template has all of these labels. */
export const labelled = (template: Template, labels: readonly string[]): boolean =>
  labels.every((label) => {
    const at = label.indexOf('=');
    return template.metadata.labels?.[label.slice(0, at)] === label.slice(at + 1);
  });
