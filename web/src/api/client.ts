import createFetchClient, { type Middleware } from 'openapi-fetch';
import createQueryClient from 'openapi-react-query';
import { base } from '~/lib/base';
import { takeEarly } from './early';
import { CODE, toApiError, unreachable } from './problem';
import type { components, paths } from './schema';

export type Schemas = components['schemas'];

/** What the client needs of the rest of the console; set once at start. */
interface Hooks {
  /** The session has ended or there is none. */
  signedOut: () => void;
  /** Asks for a fresh second factor; whether it was given. */
  stepUp: () => Promise<boolean>;
  /** Reads the session's token anew; whether it is still the same person's. */
  takeToken: () => Promise<boolean>;
}

let hooks: Hooks = { signedOut: () => {}, stepUp: () => Promise.resolve(false), takeToken: () => Promise.resolve(false) };
let csrfToken = '';

export function setHooks(next: Hooks): void {
  hooks = next;
}

/** Of the session's cookie; sent with every change, so that no other site can make one. */
export function setCsrfToken(token: string): void {
  csrfToken = token;
}

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);
const DOOR = /\/auth\/(login|passkey-login|methods|step-up)|\/bootstrap$/;

const session: Middleware = {
  onRequest({ request }) {
    if (!SAFE.has(request.method) && csrfToken !== '') request.headers.set('x-csrf-token', csrfToken);
    // Kept to be sent once more, since a body can be read only once.
    if (!SAFE.has(request.method)) again.set(request, request.clone());
    return request;
  },
  async onResponse({ request, response }) {
    const copy = again.get(request);
    if (response.ok) return response;
    const problem = await response
      .clone()
      .json()
      .catch(() => undefined);
    const error = toApiError(problem, response.status);
    if (copy !== undefined && !DOOR.test(request.url) && (await mended(error.code))) {
      const retry = new Request(copy);
      retry.headers.set('x-csrf-token', csrfToken);
      const second = await fetch(retry).catch(() => {
        throw unreachable();
      });
      if (second.ok) return second;
      throw toApiError(await second.json().catch(() => undefined), second.status);
    }
    if ((error.code === CODE.unauthenticated || error.code === CODE.sessionEnded) && !DOOR.test(request.url)) hooks.signedOut();
    throw error;
  },
  onError() {
    return unreachable();
  },
};

/** Whether what a change was refused for is out of the way, so that it may be sent once more. */
async function mended(code: string): Promise<boolean> {
  if (code === CODE.stepUpRequired) return hooks.stepUp();
  // Somebody signed in anew in another tab.
  return code === CODE.csrf && hooks.takeToken().catch(() => false);
}

const again = new WeakMap<Request, Request>();

/** The API, typed by its own description. Failures are thrown as `ApiError`. */
export const client = createFetchClient<paths>({
  baseUrl: base.replace(/\/$/, ''),
  credentials: 'same-origin',
  fetch: async (request) => (await takeEarly(request)) ?? fetch(request),
});
client.use(session);

/** The same as hooks of TanStack Query. */
export const api = createQueryClient(client);

/** The body of an answer that is known to be good: failures were thrown before. */
export async function unwrap<T>(answer: Promise<{ data?: T }>): Promise<T> {
  return (await answer).data as T;
}
