import type { Schemas } from '~/api/client';
import { carried, plain } from './ansi';

type Chunk = Schemas['OutputChunk'];

/** One line of output. */
export interface Line {
  /** Grows by one with each line; stays a line's own when older ones go. */
  n: number;
  node: string;
  /** Index of the step. */
  step: number;
  stream: 'stdout' | 'stderr' | 'note';
  at: string;
  text: string;
  /** Colours from the line before. */
  colours: string;
}

/** Lines beyond are cut, so that one without a break cannot fill the memory. */
export const LONGEST = 4000;

/** The last lines of a run's output. */
export class OutputBuffer {
  private lines: Line[] = [];
  private begun = 0;
  /** Lines that were let go because there were too many. */
  gone = 0;
  /** Bytes that were dropped before they came here. */
  dropped = 0;
  /** Of each task and stream, the line that has not ended yet. */
  private readonly unfinished = new Map<string, Line>();
  private readonly colours = new Map<string, string>();

  constructor(private readonly most: number) {}

  get length(): number {
    return this.lines.length;
  }

  at(index: number): Line | undefined {
    return this.lines[index];
  }

  add(chunk: Chunk): void {
    for (const segment of chunk.segments) {
      const key = `${chunk.task} ${segment.stream}`;
      const about = { node: chunk.node, step: segment.step, at: segment.at };
      if (segment.droppedBytes) {
        this.dropped += segment.droppedBytes;
        this.unfinished.delete(key);
        this.push({ ...about, stream: 'note', text: `${segment.droppedBytes.toLocaleString('en')} bytes were dropped here`, colours: '' });
      }
      if (segment.base64) {
        this.unfinished.delete(key);
        this.push({
          ...about,
          stream: 'note',
          text: `${bytesIn(segment.base64).toLocaleString('en')} bytes that are no text`,
          colours: '',
        });
      }
      if (segment.text) this.text(segment.text, key, { ...about, stream: segment.stream });
    }
    this.trim();
  }

  private text(text: string, key: string, about: Pick<Line, 'node' | 'step' | 'at' | 'stream'>): void {
    const parts = text.split('\n');
    parts.forEach((part, n) => {
      const last = n === parts.length - 1;
      let line = this.unfinished.get(key);
      if (line === undefined && (part !== '' || !last)) line = this.push({ ...about, text: '', colours: this.colours.get(key) ?? '' });
      if (line === undefined) return;
      // A step's text begins a line of its own.
      if (line.step !== about.step) line = this.push({ ...about, text: '', colours: '' });
      line.text = rewritten(line.text + part);
      while (line.text.length > LONGEST) {
        const rest = line.text.slice(LONGEST);
        line.text = line.text.slice(0, LONGEST);
        line = this.push({ ...about, text: rest, colours: carried(line.text, line.colours) });
      }
      if (last) this.unfinished.set(key, line);
      else {
        this.unfinished.delete(key);
        this.colours.set(key, carried(line.text, line.colours));
      }
    });
  }

  private push(line: Omit<Line, 'n'>): Line {
    const whole = { ...line, n: this.begun++ };
    this.lines.push(whole);
    return whole;
  }

  private trim(): void {
    const over = this.lines.length - this.most;
    // A few at a time, so that not every chunk moves everything.
    if (over < this.most / 10) return;
    this.lines = this.lines.slice(over);
    this.gone += over;
  }

  /** Which lines hold a text, whatever its case, by index. */
  find(text: string): number[] {
    const wanted = text.toLowerCase();
    if (wanted === '') return [];
    const found: number[] = [];
    this.lines.forEach((line, n) => {
      if (plain(line.text).toLowerCase().includes(wanted)) found.push(n);
    });
    return found;
  }

  /** All of it as text, each line with its node. */
  asText(): string {
    const head = this.gone > 0 ? `(${this.gone} earlier lines are left out)\n` : '';
    return head + this.lines.map((line) => `${line.node}\t${line.stream}\t${plain(line.text)}\n`).join('');
  }
}

/** A line as a terminal leaves it: what follows a carriage return is written over what was before. */
const rewritten = (text: string): string => {
  const whole = text.endsWith('\r') ? text.slice(0, -1) : text;
  const kept = whole.slice(whole.lastIndexOf('\r') + 1);
  return text.endsWith('\r') ? `${kept}\r` : kept;
};

const bytesIn = (base64: string): number => Math.floor((base64.replace(/=+$/, '').length * 3) / 4);
