import { TASK_PHASES, type RunNode } from '../logic/types';

/** Where tasks stand, by the phase's number: one byte for each node. */
const NUMBER = new Map<string, number>(TASK_PHASES.map((phase, n) => [phase, n]));
const WAITING = NUMBER.get('waiting') ?? 0;

/** How far a task has come: not begun, given out, running, ended. */
const progress = (number: number): number => {
  const way = ['waiting', 'assigned', 'started'].indexOf(TASK_PHASES[number] ?? '');
  return way < 0 ? 3 : way;
};

/** The nodes of a run and where their tasks stand; kept apart from React, so that thousands of changes cost one drawing. */
export class NodeStore {
  private nodes: readonly RunNode[] = [];
  private phases = new Uint8Array(0);
  private exits = new Map<number, number>();
  private version = 0;
  private timer: number | undefined;
  private drawn = 0;
  private readonly watchers = new Set<() => void>();

  /** `pace`: at most one drawing in so many milliseconds. */
  constructor(private readonly pace: number) {}

  get size(): number {
    return this.nodes.length;
  }

  name(index: number): string {
    return this.nodes[index]?.name ?? '';
  }

  node(index: number): RunNode | undefined {
    return this.nodes[index];
  }

  phase(index: number): string {
    return TASK_PHASES[this.phases[index] ?? WAITING] ?? 'waiting';
  }

  exitCode(index: number): number | undefined {
    return this.exits.get(index);
  }

  /** Takes what the server says as a whole. A task never goes back: an event may have been quicker than this answer. */
  load(nodes: readonly RunNode[]): void {
    const before = this.nodes.length === nodes.length ? this.phases : undefined;
    this.nodes = nodes;
    this.phases = Uint8Array.from(nodes, (node, n) => {
      const now = NUMBER.get(node.phase ?? 'waiting') ?? WAITING;
      const known = before?.[n] ?? WAITING;
      return progress(known) > progress(now) ? known : now;
    });
    this.exits = new Map(
      nodes.flatMap((node, n) => (node.exitCode === undefined || node.exitCode === null ? [] : [[n, node.exitCode] as const])),
    );
    this.changed(true);
  }

  /** Takes one change, as an event tells it. */
  set(index: number, phase: string, exitCode?: number | null): void {
    const number = NUMBER.get(phase);
    if (number === undefined || index < 0 || index >= this.nodes.length) return;
    this.phases[index] = number;
    if (exitCode !== undefined && exitCode !== null) this.exits.set(index, exitCode);
    this.changed(false);
  }

  /** How many nodes are in each phase. */
  counts(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const number of this.phases) {
      const phase = TASK_PHASES[number] ?? 'waiting';
      counts.set(phase, (counts.get(phase) ?? 0) + 1);
    }
    return counts;
  }

  /** The places of the nodes that are in one of these phases and whose name holds the text; of all when both are empty. */
  matching(phases: ReadonlySet<string>, text: string): Uint32Array {
    const wanted = text.trim().toLowerCase();
    const found: number[] = [];
    for (let n = 0; n < this.nodes.length; n++) {
      if (phases.size > 0 && !phases.has(this.phase(n))) continue;
      if (wanted !== '' && !this.name(n).toLowerCase().includes(wanted)) continue;
      found.push(n);
    }
    return Uint32Array.from(found);
  }

  readonly subscribe = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  /** Grows with every drawing that is due. */
  readonly snapshot = (): number => this.version;

  private changed(atOnce: boolean): void {
    if (this.timer !== undefined && !atOnce) return;
    const tell = (): void => {
      this.timer = undefined;
      this.drawn = Date.now();
      this.version++;
      for (const watcher of this.watchers) watcher();
    };
    if (this.timer !== undefined) clearTimeout(this.timer);
    const wait = this.drawn + this.pace - Date.now();
    if (atOnce || wait <= 0) tell();
    else this.timer = setTimeout(tell, wait) as unknown as number;
  }
}

/** What an event says about a task of this run: its place, its phase, its exit code. */
export function taskChange(
  event: { type: string; subject: string; data: unknown },
  run: string,
): { index: number; phase: string; exitCode?: number | null } | undefined {
  const prefix = `task/${run}.`;
  if (!event.subject.startsWith(prefix)) return undefined;
  const index = Number(event.subject.slice(prefix.length));
  if (!Number.isInteger(index)) return undefined;
  const data = (event.data ?? {}) as { phase?: string; exitCode?: number | null };
  switch (event.type) {
    case 'synod.task.started':
      return { index, phase: 'started' };
    case 'synod.task.ended':
      return data.phase ? { index, phase: data.phase, exitCode: data.exitCode } : undefined;
    case 'synod.task.refused':
      return { index, phase: 'refused' };
    default:
      return undefined;
  }
}

/** Where the arrow keys lead from a cell of a grid. */
export function moved(from: number, key: string, columns: number, count: number): number {
  const last = count - 1;
  const steps: Record<string, number> = {
    ArrowRight: from + 1,
    ArrowLeft: from - 1,
    ArrowDown: from + columns,
    ArrowUp: from - columns,
    PageDown: from + columns * 10,
    PageUp: from - columns * 10,
    Home: 0,
    End: last,
  };
  const to = steps[key];
  return to === undefined ? from : Math.max(0, Math.min(last, to));
}
