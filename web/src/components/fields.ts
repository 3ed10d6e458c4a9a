import { toApiError } from '~/api/problem';

/** What the server says is wrong at one field, by the JSON pointer to it; `undefined` when nothing is. */
export function atField(error: unknown, ...pointers: string[]): string | undefined {
  if (error === undefined || error === null) return undefined;
  const found = (toApiError(error).problem.problems ?? []).filter((one) => pointers.includes(one.pointer));
  return found.length === 0 ? undefined : found.map((one) => [one.message, one.hint].filter(Boolean).join('. ')).join('; ');
}

/** Whether anything is wrong that none of the fields tells. */
export function besideFields(error: unknown, ...pointers: string[]): boolean {
  if (error === undefined || error === null) return false;
  const problems = toApiError(error).problem.problems ?? [];
  return problems.length === 0 || problems.some((one) => !pointers.includes(one.pointer));
}
