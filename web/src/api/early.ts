import { href } from '~/lib/base';

/** What was asked for before the client was there, by its address. */
const asked = new Map<string, Promise<Response | undefined>>();

/** Asks at once for what will be read first; the client then takes this answer instead of asking. */
export function askEarly(path: string): void {
  const url = new URL(href(path), document.baseURI).href;
  const answer = fetch(url, { credentials: 'same-origin' }).catch(() => undefined);
  asked.set(url, answer);
}

/**
 * The answer to a read that was asked for early, once; `undefined` where there is none. After a refusal no other is given out: each
 * would be of a time before somebody signed in.
 */
export async function takeEarly(request: Request): Promise<Response | undefined> {
  const early = request.method === 'GET' ? asked.get(request.url) : undefined;
  if (early === undefined) return undefined;
  asked.delete(request.url);
  const answer = await early;
  if (answer?.ok !== true) asked.clear();
  return answer;
}
