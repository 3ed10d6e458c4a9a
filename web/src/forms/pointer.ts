import type { ErrorSchema } from '@rjsf/utils';
import type { Schemas } from '~/api/client';

type Problem = Schemas['Problem'];

/** The segments of a JSON Pointer (RFC 6901). */
export const segments = (pointer: string): string[] =>
  pointer === ''
    ? []
    : pointer
        .slice(1)
        .split('/')
        .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));

/** A path as a JSON Pointer. */
export const toPointer = (path: readonly (string | number)[]): string =>
  path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

/** What a problem says, with what would be right. */
export const sentence = (problem: Problem): string =>
  problem.hint && !problem.message.includes(problem.hint) ? `${problem.message} (${problem.hint})` : problem.message;

/**
 * The field a problem is about. The server tells of what is missing at the thing it is missing from; people look for it at
 * the empty field.
 */
export function fieldOf(problem: Problem, prefix: string): string[] {
  const path = segments(problem.pointer.slice(prefix.length));
  const missing = /^the field `([^`]+)` is missing$/.exec(problem.message)?.[1];
  return missing === undefined ? path : [...path, missing];
}

/** Those problems that are about fields below a prefix, in the form that rjsf takes. `shows` says for which fields already. */
export function toErrors(problems: readonly Problem[], prefix: string, shows: (pointer: string) => boolean): ErrorSchema {
  const root: ErrorSchema = {};
  for (const problem of problems) {
    if (problem.pointer !== prefix && !problem.pointer.startsWith(`${prefix}/`)) continue;
    const path = fieldOf(problem, prefix);
    if (!shows(toPointer(path))) continue;
    let here = root as Record<string, unknown>;
    for (const part of path) here = (here[part] ??= {}) as Record<string, unknown>;
    const errors = (here['__errors'] ??= []) as string[];
    errors.push(path.length > 0 && problem.message === `the field \`${path.at(-1)}\` is missing` ? 'This is needed' : sentence(problem));
  }
  return root;
}
