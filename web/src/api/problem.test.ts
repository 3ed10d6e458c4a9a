import { describe, expect, it } from 'vitest';
import { ApiError, toApiError, unreachable } from './problem';

describe('errors', () => {
  it('are what the server said', () => {
    const error = toApiError({ code: 'SYN-3000', detail: 'no such run', title: 'Not found', status: 404, type: 'about:blank' }, 404);
    expect([error.code, error.message, error.problem.status]).toEqual(['SYN-3000', 'no such run', 404]);
    expect(toApiError(error)).toBe(error);
  });

  it('of the page itself are not told as a server that is away', () => {
    const error = toApiError(new TypeError('x is undefined'));
    expect(error.code).toBe('console');
    expect(error.problem.title).toBe('The console failed');
    expect(error.problem.detail).toBe('x is undefined');
    expect(toApiError('odd').problem.detail).toBe('odd');
    expect(toApiError(undefined)).toBeInstanceOf(ApiError);
  });

  it('of the connection say so', () => {
    expect(unreachable().code).toBe('offline');
  });

  it('without a document name the status, as a proxy answers', () => {
    expect(toApiError(undefined, 502).code).toBe('HTTP 502');
  });
});
