import { client, unwrap } from '~/api/client';
import { ApiError, toApiError } from '~/api/problem';
import { complaints } from '~/forms/validator';
import { placeOf } from './places';
import type { Schema } from './schema';
import { readText } from './text';
import type { Applied, Kind } from './types';

/** Something wrong with a text, and where. */
export interface Finding {
  from: number;
  to: number;
  message: string;
  hint?: string;
}

/** What was found out about a text. */
export interface Checked {
  findings: Finding[];
  /** What applying it would do, when it is right. */
  plan?: Applied;
  /** Why the server did not judge it; the schema did instead. */
  refused?: ApiError;
}

/** What a text is of. A new one has no name yet, and names itself. */
export interface Edited {
  kind: Kind;
  namespace?: string | undefined;
  name?: string | undefined;
}

/** Where a text has become that of something else: saving it would change that, and nothing here would say so. */
export function strays(value: Record<string, unknown>, of: Edited): { pointer: string; message: string; hint: string }[] {
  const metadata = (typeof value['metadata'] === 'object' ? value['metadata'] : null) as Record<string, unknown> | null;
  const fixed: [pointer: string, is: unknown, stays: string | undefined][] = [
    ['/kind', value['kind'], of.kind],
    ['/metadata/namespace', metadata?.['namespace'], of.name === undefined ? undefined : of.namespace],
    ['/metadata/name', metadata?.['name'], of.name],
  ];
  // What is missing or no text the server tells best.
  return fixed
    .filter(([, is, stays]) => stays !== undefined && typeof is === 'string' && is !== stays)
    .map(([pointer, , stays]) => ({
      pointer,
      message: `the ${pointer.split('/').at(-1)} stays \`${stays}\` here`,
      hint: 'to have something else, begin a new one',
    }));
}

const PREFIX = '/documents/0';

/** The server's problems at their places in the text. */
export function findings(text: string, error: ApiError): Finding[] {
  return (error.problem.problems ?? []).map((one) => {
    const pointer = one.pointer.startsWith(PREFIX) ? one.pointer.slice(PREFIX.length) : one.pointer;
    return { ...placeOf(text, pointer, one.line, one.column), message: one.message, ...(one.hint ? { hint: one.hint } : {}) };
  });
}

/** Applies one document, or only tells what that would do. `revision` is the one it was edited from, 0 for a new one. */
export async function apply(document: Record<string, unknown>, revision: number | undefined, dryRun: boolean): Promise<Applied> {
  const { results } = await unwrap(
    client.POST('/api/v1/apply', {
      params: { header: revision === undefined ? {} : { 'If-Match': `"${revision}"` } },
      body: { documents: [document as Record<string, never>], dryRun },
    }),
  );
  const [done] = results;
  if (!done) throw toApiError(undefined, 500);
  return done;
}

/**
 * Checks a text: whether it is YAML, still of the same thing, then what the server says to it; by the schema alone where the server does
 * not judge.
 */
export async function checkText(text: string, schema: Schema | undefined, of: Edited): Promise<Checked> {
  const read = readText(text);
  if (!read.ok) return { findings: [{ from: read.from, to: read.to, message: read.message }] };
  const stray = strays(read.value, of);
  if (stray.length > 0) return { findings: stray.map(({ pointer, ...one }) => ({ ...placeOf(text, pointer), ...one })) };
  try {
    return { findings: [], plan: await apply(read.value, undefined, true) };
  } catch (cause) {
    const error = toApiError(cause);
    const found = findings(text, error);
    if (found.length > 0) return { findings: found };
    const bySchema = schema ? complaints(schema, read.value).map((one) => ({ ...placeOf(text, one.pointer), message: one.message })) : [];
    return { findings: bySchema, refused: error };
  }
}
