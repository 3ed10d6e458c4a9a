import { afterEach, beforeEach, expect, it, vi } from 'vitest';

const answer = (body: string, status = 200) => Promise.resolve(new Response(body, { status }));
const read = (path: string, method = 'GET') => new Request(`https://synod.example/${path}`, { method });

beforeEach(() => vi.stubGlobal('document', { baseURI: 'https://synod.example/', querySelector: () => null }));
afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

it('gives an answer out once, and to reads alone', async () => {
  vi.stubGlobal('fetch', () => answer('me'));
  const { askEarly, takeEarly } = await import('./early');
  askEarly('api/v1/auth/whoami');
  expect(await takeEarly(read('api/v1/auth/whoami', 'POST'))).toBeUndefined();
  expect(await takeEarly(read('api/v1/other'))).toBeUndefined();
  expect(await (await takeEarly(read('api/v1/auth/whoami')))?.text()).toBe('me');
  expect(await takeEarly(read('api/v1/auth/whoami'))).toBeUndefined();
});

it('forgets the others after a refusal, which is itself given out', async () => {
  vi.stubGlobal('fetch', (url: string) => (url.includes('whoami') ? answer('', 401) : answer('newest')));
  const { askEarly, takeEarly } = await import('./early');
  askEarly('api/v1/auth/whoami');
  askEarly('api/v1/events');
  expect((await takeEarly(read('api/v1/auth/whoami')))?.status).toBe(401);
  expect(await takeEarly(read('api/v1/events'))).toBeUndefined();
});

it('leaves what could not be asked for to be asked again', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('offline')));
  const { askEarly, takeEarly } = await import('./early');
  askEarly('api/v1/auth/whoami');
  expect(await takeEarly(read('api/v1/auth/whoami'))).toBeUndefined();
});
