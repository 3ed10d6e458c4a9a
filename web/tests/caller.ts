import { request, type RequestOptions } from 'node:https';
import { fileURLToPath } from 'node:url';

/** The program under test. */
export const SYNOD = process.env['SYNOD_BIN'] ?? fileURLToPath(new URL('../../target/debug/synod', import.meta.url));

/** An answer of the API. */
export interface Answer<T = unknown> {
  status: number;
  body: T;
}

/** A server that tests call as its people do. */
export abstract class Caller {
  private readonly tokens = new Map<string, string>();

  /** Where it is. */
  abstract get url(): string;

  /** Somebody's password. */
  abstract password(user: string): string;

  /** By what its certificate is known. */
  protected abstract get known(): Pick<RequestOptions, 'ca' | 'rejectUnauthorized'>;

  /** Calls the API as somebody; nobody when `user` is empty. */
  async call<T = unknown>(user: string, method: string, path: string, body?: unknown): Promise<Answer<T>> {
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (user !== '') headers['authorization'] = `Bearer ${await this.token(user)}`;
    return this.send<T>(method, path, headers, body);
  }

  /** The same, and throws unless it went well. */
  async must<T = unknown>(user: string, method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.call<T>(user, method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path} as ${user}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** What somebody's session is known by; they sign in once. */
  protected async token(user: string): Promise<string> {
    const known = this.tokens.get(user);
    if (known !== undefined) return known;
    const { token } = await this.must<{ token: string }>('', 'POST', '/api/v1/auth/login', { user, password: this.password(user) });
    this.tokens.set(user, token);
    return token;
  }

  private send<T>(method: string, path: string, headers: Record<string, string>, body?: unknown): Promise<Answer<T>> {
    return new Promise((resolve, reject) => {
      const sent = request(new URL(path, this.url), { method, headers, agent: false, ...this.known }, (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part: Buffer) => parts.push(part));
        answer.on('end', () => {
          const text = Buffer.concat(parts).toString();
          const json = (answer.headers['content-type'] ?? '').includes('json');
          resolve({ status: answer.statusCode ?? 0, body: (json && text !== '' ? JSON.parse(text) : text) as T });
        });
      });
      sent.on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}
