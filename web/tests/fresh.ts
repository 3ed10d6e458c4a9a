import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SYNOD } from './demo';

/** A new server that nobody has set up yet, found by name, where a fresh second factor stays fresh for three seconds. */
export class Fresh {
  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    readonly url: string,
  ) {}

  static async start(): Promise<Fresh> {
    const folder = mkdtempSync(join(tmpdir(), 'synod-fresh-'));
    const port = await freePort();
    const url = `https://localhost:${port}`;
    const config = join(folder, 'server.toml');
    const settings = { listen: `127.0.0.1:${port}`, url, state_dir: join(folder, 'state') };
    const lines = Object.entries(settings).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
    writeFileSync(config, `${lines.join('\n')}\n\n[security]\nstep_up_for = "3s"\n`);
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

  private get tokenFile(): string {
    return join(this.folder, 'state', 'bootstrap.token');
  }

  /** What the first administrator has to show. */
  get token(): string {
    return readFileSync(this.tokenFile, 'utf8').trim();
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await ended;
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
