import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Caller, SYNOD } from './caller';

/** What is not as usual with a new server. */
interface Unusual {
  /** How long a second factor stays fresh. */
  stepUpFor?: string;
  /** Who needs one at all. */
  stepUp?: string;
  /** The path it lies under. */
  prefix?: string;
}

/** A new server that nobody has set up yet, found by name. */
export class Fresh extends Caller {
  private readonly agents: ChildProcess[] = [];

  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    readonly url: string,
  ) {
    super();
  }

  static async start({ stepUpFor = '10m', stepUp = 'always', prefix = '' }: Unusual = {}): Promise<Fresh> {
    const folder = mkdtempSync(join(tmpdir(), 'synod-fresh-'));
    const port = await freePort();
    const url = `https://localhost:${port}${prefix}`;
    const config = join(folder, 'server.toml');
    const settings = { listen: `127.0.0.1:${port}`, url, state_dir: join(folder, 'state') };
    const lines = Object.entries(settings).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
    const security = `[security]\nstep_up = ${JSON.stringify(stepUp)}\nstep_up_for = ${JSON.stringify(stepUpFor)}\n`;
    writeFileSync(config, `${lines.join('\n')}\n\n${security}`);
    const child = spawn(SYNOD, ['server', '--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr?.on('data', (data: Buffer) => (said = (said + data.toString()).slice(-4000)));
    const fresh = new Fresh(child, folder, url);
    for (let tries = 0; tries < 300; tries++) {
      if (existsSync(fresh.tokenFile) && said.includes('is up')) return fresh;
      if (child.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`the server did not come up:\n${said}`);
  }

  protected get known() {
    return { rejectUnauthorized: false };
  }

  password(user: string): string {
    return `${user}-has-a-password`;
  }

  /** Makes the first administrator, and signs them in before they enrol a second factor. */
  async setUp(name: string): Promise<void> {
    await this.must('', 'POST', '/api/v1/bootstrap', { name, password: this.password(name), token: this.bootstrapToken });
    await this.token(name);
  }

  /** Makes a namespace, and people with a role in it each. */
  async populate(administrator: string, namespace: string, people: Record<string, string>): Promise<void> {
    for (const name of Object.keys(people))
      await this.must(administrator, 'POST', '/api/v1/users', { name, password: this.password(name), displayName: '' });
    const document = (kind: string, metadata: object, spec: object) => ({ apiVersion: 'synod/v1', kind, metadata, spec });
    const bindings = Object.entries(people).map(([user, role]) =>
      document('RoleBinding', { namespace, name: `${user}-${role}` }, { role, subjects: [{ user }] }),
    );
    await this.must(administrator, 'POST', '/api/v1/apply', {
      documents: [document('Namespace', { name: namespace }, { nodes: '' }), ...bindings],
    });
  }

  /** Runs an agent by the words of its command, until the server is stopped. */
  join([program, ...words]: string[]): void {
    if (program !== 'synod') throw new Error(`this is no command of ours: ${program}`);
    const state = mkdtempSync(join(this.folder, 'agent-'));
    this.agents.push(spawn(SYNOD, [...words, '--state-dir', state], { stdio: 'ignore', env: { ...process.env, HOME: state } }));
  }

  private get tokenFile(): string {
    return join(this.folder, 'state', 'bootstrap.token');
  }

  /** What the first administrator has to show. */
  get bootstrapToken(): string {
    return readFileSync(this.tokenFile, 'utf8').trim();
  }

  async stop(): Promise<void> {
    const ended = [...this.agents, this.child].map(async (child) => {
      if (child.exitCode !== null) return;
      const exit = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await exit;
    });
    await Promise.all(ended);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** The six digits of a secret in base32 (RFC 6238), `steps` of 30 seconds from now. */
export function totp(secret: string, steps = 0): string {
  const bits = [...secret.replace(/=+$/, '')]
    .map((char) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(char).toString(2).padStart(5, '0'))
    .join('');
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const hash = createHmac('sha1', key).update(counter).digest();
  const offset = (hash[19] ?? 0) & 15;
  return String((hash.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}
