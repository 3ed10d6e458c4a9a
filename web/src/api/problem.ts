import type { components } from './schema';

export type ProblemDocument = components['schemas']['ProblemDocument'];

/** A refusal or failure as the server told it, or as the connection did. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(readonly problem: ProblemDocument) {
    super(problem.detail);
  }

  /** The stable code, `SYN-…`; `offline` when no server answered. */
  get code(): string {
    return this.problem.code;
  }
}

export const CODE = {
  unauthenticated: 'SYN-2000',
  badCredentials: 'SYN-2001',
  sessionEnded: 'SYN-2002',
  secondFactorRequired: 'SYN-2003',
  stepUpRequired: 'SYN-2004',
  csrf: 'SYN-2006',
  forbidden: 'SYN-2100',
  notFound: 'SYN-3000',
  revisionConflict: 'SYN-3003',
  /** No server answered. */
  offline: 'offline',
  /** The page itself failed. */
  console: 'console',
} as const;

const plain = (code: string, title: string, detail: string, remedy: string, status = 0): ProblemDocument => ({
  type: 'about:blank',
  title,
  status,
  detail,
  code,
  remedy,
});

/** No server answered: only whoever sends requests knows that. */
export const unreachable = (): ApiError =>
  new ApiError(
    plain(
      CODE.offline,
      'No answer',
      'The server cannot be reached.',
      'Check your connection; the console goes on by itself once the server answers.',
    ),
  );

/** Makes an error of whatever was thrown, or of what was answered with a status. */
export function toApiError(cause: unknown, status = 0): ApiError {
  if (cause instanceof ApiError) return cause;
  if (typeof cause === 'object' && cause !== null && 'code' in cause && 'detail' in cause) {
    return new ApiError(cause as ProblemDocument);
  }
  if (status === 0) {
    return new ApiError(
      plain(
        CODE.console,
        'The console failed',
        cause instanceof Error && cause.message !== '' ? cause.message : String(cause),
        'Load the page again; if it stays, tell who makes Synod what you did. The server has not refused anything.',
      ),
    );
  }
  return new ApiError(
    plain(
      `HTTP ${status}`,
      'Unexpected answer',
      `The server, or something before it, answered with status ${status}.`,
      'Try again; if it stays, tell who runs this server.',
      status,
    ),
  );
}
