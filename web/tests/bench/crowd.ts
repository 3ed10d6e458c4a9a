import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Caller } from '../caller';

/** The program that simulates agents: each has its own certificate and stream, only its work is nothing. */
const BENCH = process.env['SYNOD_BENCH_BIN'] ?? fileURLToPath(new URL('../../../target/release/synod-bench', import.meta.url));

/** Many simulated agents of a server. */
export class Crowd {
  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
  ) {}

  /** Has so many join by the word of an administrator; resolves when the server says that all are connected. */
  static async join(server: Caller, administrator: string, count: number): Promise<Crowd> {
    const token = { labels: {}, uses: count, expiresIn: '1d' };
    const made = await server.must<{ token: string; caFingerprint: string }>(administrator, 'POST', '/api/v1/join-tokens', token);
    const folder = mkdtempSync(join(tmpdir(), 'synod-crowd-'));
    const file = join(folder, 'join');
    writeFileSync(file, made.token, { mode: 0o600 });
    const words = ['--count', `${count}`, '--url', server.url, '--ca-fingerprint', made.caFingerprint, '--join-token-file', file];
    const child = spawn(BENCH, ['agents', ...words], { stdio: ['pipe', 'pipe', 'inherit'] });
    const crowd = new Crowd(child, folder);
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
    const said = async (word: string): Promise<void> => {
      const { value } = await lines.next();
      if (!String(value).startsWith(word)) throw new Error(`the simulated agents said “${String(value)}” instead of “${word}”`);
    };
    await said('enrolled');
    child.stdin?.write('connect\n');
    await said('connecting');
    for (let tries = 0; tries < 600; tries++) {
      const { members } = await server.must<{ members: { agents: number }[] }>(administrator, 'GET', '/api/v1/server');
      if (members.reduce((sum, member) => sum + member.agents, 0) >= count) return crowd;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    throw new Error(`not all of ${count} simulated agents are connected`);
  }

  async leave(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}
