import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Caller, SYNOD } from './caller';

/** What `synod demo --ready-file` writes. */
interface Ready {
  server: string;
  ca_file: string;
  trustRoot?: string;
  users: { name: string; password: string; roles: string; key?: string }[];
  nodes: { name: string; labels: Record<string, string> }[];
}

/** A demo of one's own: a server, three agents and users, on a free port, in a temporary folder. */
export class Demo extends Caller {
  private constructor(
    private child: ChildProcess,
    private readonly folder: string,
    readonly ready: Ready,
  ) {
    super();
  }

  static async start(): Promise<Demo> {
    const folder = mkdtempSync(join(tmpdir(), 'synod-console-'));
    const child = Demo.spawn(folder, '127.0.0.1:0');
    return new Demo(child, folder, await Demo.up(child, folder));
  }

  private static spawn(folder: string, listen: string): ChildProcess {
    const args = ['demo', '--listen', listen, '--dir', join(folder, 'demo'), '--ready-file', join(folder, 'ready.json')];
    return spawn(SYNOD, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: folder } });
  }

  private static async up(child: ChildProcess, folder: string): Promise<Ready> {
    let said = '';
    child.stderr?.on('data', (data: Buffer) => (said = (said + data.toString()).slice(-4000)));
    const file = join(folder, 'ready.json');
    for (let tries = 0; tries < 600; tries++) {
      if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Ready;
      if (child.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`the demo did not come up:\n${said}`);
  }

  /** Ends it and starts it again at the same address, with its state: what a restart of the server is to the browser. */
  async restart(pause = 0): Promise<void> {
    await this.end();
    rmSync(join(this.folder, 'ready.json'));
    await new Promise((resolve) => setTimeout(resolve, pause));
    this.child = Demo.spawn(this.folder, `127.0.0.1:${new URL(this.ready.server).port}`);
    await Demo.up(this.child, this.folder);
  }

  async stop(): Promise<void> {
    await this.end();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async end(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await ended;
  }

  /** Where browsers go: by name, since passkeys have no use for addresses. */
  get url(): string {
    return `https://localhost:${new URL(this.ready.server).port}`;
  }

  get nodes(): string[] {
    return this.ready.nodes.map((node) => node.name);
  }

  user(name: string): Ready['users'][number] {
    const user = this.ready.users.find((one) => one.name === name);
    if (user === undefined) throw new Error(`the demo has no user ${name}`);
    return user;
  }

  password(user: string): string {
    return this.user(user).password;
  }

  protected get known() {
    return { ca: readFileSync(this.ready.ca_file) };
  }

  /** Runs the command line as somebody; resolves to what it printed, throws with both streams when it fails. */
  async cli(args: string[], user: string): Promise<string> {
    const env = {
      ...process.env,
      HOME: this.folder,
      SYNOD_SERVER: this.ready.server,
      SYNOD_CA_FILE: this.ready.ca_file,
      SYNOD_TOKEN: await this.token(user),
    };
    return new Promise((resolve, reject) => {
      execFile(SYNOD, args, { env, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
        if (error) reject(new Error(`synod ${args.join(' ')}: ${error.message}\n${stdout}${stderr}`));
        else resolve(stdout);
      });
    });
  }
}
