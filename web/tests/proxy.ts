import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Agent, request } from 'node:https';
import type { AddressInfo } from 'node:net';

/** A reverse proxy as people set one up: a server lies below a path of its host, and nothing else is there. */
export class Proxy {
  private readonly onward = new Agent({ keepAlive: true, rejectUnauthorized: false });
  /** What was asked for outside of the path. */
  readonly astray: string[] = [];

  private constructor(
    private readonly proxied: Server,
    private readonly prefix: string,
  ) {}

  /** `strips`: whether it takes the path off before it asks the server. */
  static async start(server: string, prefix: string, strips: boolean): Promise<Proxy> {
    const proxied = createServer();
    const proxy = new Proxy(proxied, prefix);
    proxied.on('request', (asked: IncomingMessage, answer: ServerResponse) => {
      const path = asked.url ?? '/';
      if (!path.startsWith(`${prefix}/`)) {
        proxy.astray.push(path);
        answer.writeHead(404).end('nothing lies here');
        return;
      }
      proxy.pass(new URL(strips ? path.slice(prefix.length) : path, server), asked, answer);
    });
    await new Promise<void>((resolve) => proxied.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  private pass(to: URL, asked: IncomingMessage, answer: ServerResponse): void {
    const { method = 'GET', headers } = asked;
    const onward = request(to, { method, headers, agent: this.onward }, (answered) => {
      answer.writeHead(answered.statusCode ?? 502, answered.headers);
      // What comes bit by bit goes on bit by bit.
      answer.flushHeaders();
      answered.pipe(answer);
    });
    onward.on('error', () => (answer.headersSent ? answer.destroy() : answer.writeHead(502).end()));
    answer.on('close', () => onward.destroy());
    asked.pipe(onward);
  }

  /** Where browsers find the server: the machine's own name needs no certificate to be trusted. */
  get url(): string {
    return `http://localhost:${(this.proxied.address() as AddressInfo).port}${this.prefix}/`;
  }

  async stop(): Promise<void> {
    this.proxied.closeAllConnections();
    await new Promise((resolve) => this.proxied.close(resolve));
    this.onward.destroy();
  }
}
