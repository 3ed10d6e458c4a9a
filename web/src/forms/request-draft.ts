import type { RJSFSchema } from '@rjsf/utils';
import { keep, kept } from '~/lib/draft';
import { prefilled, withoutSecrets } from './inputs';

/** A request that was not made yet. */
export interface RequestDraft {
  inputs: Record<string, unknown>;
  target: string;
  reason: string;
  when: string;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Keeps what was filled in, but for secrets; lets it go when there is nothing. */
export function keepRequest(user: string, template: string, schema: RJSFSchema, draft: RequestDraft | undefined): void {
  keep(user, `request/${template}`, draft && { ...draft, inputs: withoutSecrets(schema, draft.inputs) });
}

/** What was filled in before, as far as it fits the template as it is now. */
export function keptRequest(user: string, template: string, schema: RJSFSchema): RequestDraft | undefined {
  const found = kept(user, `request/${template}`);
  return (
    found && {
      inputs: prefilled(schema, JSON.stringify(found['inputs'] ?? {})).inputs,
      target: text(found['target']),
      reason: text(found['reason']),
      when: text(found['when']),
    }
  );
}
