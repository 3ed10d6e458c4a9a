/** Where a cursor stands in a YAML text that may not be whole yet. */
export interface Spot {
  /** The map or value it is in; `#` is a position in a list. */
  path: string[];
  /** Whether a key is written here, or the value of the last segment. */
  writing: 'key' | 'value';
  /** Where the word that is being written begins. */
  from: number;
  /** Keys that stand in the same map already. */
  present: string[];
}

const KEY = /^([\w.$/-]+|"[^"]*"|'[^']*'):(?=\s|$)/;
const unquote = (key: string): string => key.replace(/^["']|["']$/g, '');

interface Line {
  indent: number;
  /** Dashes before the content, each a list. */
  dashes: number[];
  key: string | undefined;
  rest: string;
  blank: boolean;
}

function read(line: string): Line {
  let at = /^ */.exec(line)?.[0].length ?? 0;
  const dashes: number[] = [];
  for (let found = /^- +|^-$/.exec(line.slice(at)); found; found = /^- +|^-$/.exec(line.slice(at))) {
    dashes.push(at);
    at += found[0].length;
  }
  const content = line.slice(at);
  const key = KEY.exec(content)?.[1];
  return {
    indent: at,
    dashes,
    key: key === undefined ? undefined : unquote(key),
    rest: key === undefined ? content : content.slice(key.length + 1).trim(),
    blank: content.trim() === '' || content.startsWith('#'),
  };
}

/** Reads the lines before a cursor; works on unfinished text, by indentation as YAML does. */
export function spotAt(text: string, offset: number): Spot | undefined {
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  const end = text.indexOf('\n', offset) < 0 ? text.length : text.indexOf('\n', offset);
  const before = text.slice(start, offset);
  if (/(^|\s)#/.test(before)) return undefined;
  const lines = text.split('\n');
  const row = text.slice(0, start).split('\n').length - 1;
  const here = read(before);
  const path = ancestors(lines, row, here.indent, here.dashes);
  if (path === undefined) return undefined;
  const flow = before.slice(here.indent);
  if (/[{[]/.test(flow)) return inFlow(flow, path, offset);
  const word = /[\w./-]*$/.exec(before)?.[0] ?? '';
  const from = offset - word.length;
  if (here.key !== undefined) return { path: [...path, here.key], writing: 'value', from, present: [] };
  if (flow !== word) return undefined;
  return { path, writing: 'key', from, present: siblings(lines, row, here.indent, text.slice(start, end)) };
}

/** The path of the map that content at this indentation belongs to; `undefined` inside of a script. */
function ancestors(lines: string[], row: number, indent: number, dashes: number[]): string[] | undefined {
  const path: string[] = [];
  let limit = indent;
  for (const dash of [...dashes].reverse()) {
    path.unshift('#');
    limit = dash;
  }
  // A list may stand at the indentation of its key.
  let listAt = dashes.length > 0 ? limit : -1;
  for (let n = row - 1; n >= 0; n--) {
    const line = read(lines[n] ?? '');
    if (line.blank && line.dashes.length === 0) continue;
    const outer = line.dashes[0] ?? line.indent;
    if (line.key !== undefined && (line.indent < limit || (line.indent === listAt && line.dashes.length === 0))) {
      if (/^[|>][+-]?\d*$/.test(line.rest)) return undefined;
      path.unshift(line.key);
      limit = line.indent;
      listAt = -1;
    }
    if (line.dashes.length > 0 && outer < limit) {
      for (const dash of [...line.dashes].reverse()) {
        if (dash >= limit) continue;
        path.unshift('#');
        limit = dash;
        listAt = dash;
      }
    }
  }
  return path;
}

/** The keys beside, in the same map. */
function siblings(lines: string[], row: number, indent: number, current: string): string[] {
  const keys: string[] = [];
  const look = (from: number, step: number) => {
    for (let n = from; n >= 0 && n < lines.length; n += step) {
      const line = read(lines[n] ?? '');
      if (line.blank && line.dashes.length === 0) continue;
      const outer = line.dashes[0] ?? line.indent;
      if (line.indent < indent || (step > 0 && line.dashes.length > 0 && outer < indent)) break;
      if (line.indent === indent && line.key !== undefined) keys.push(line.key);
      if (line.dashes.length > 0 && outer < indent) break;
    }
  };
  if (read(current).dashes.length === 0) look(row - 1, -1);
  look(row + 1, 1);
  return keys;
}

/** Inside of `{ … }` or `[ … ]` on one line. */
function inFlow(flow: string, path: string[], offset: number): Spot | undefined {
  const stack: { path: string[]; list: boolean; keys: string[] }[] = [];
  let base = path;
  let key: string | undefined;
  const pattern = /"[^"]*"|'[^']*'|[{}[\],]|([\w.$/-]+):(?=\s|$)/g;
  let last = 0;
  for (let found = pattern.exec(flow); found; found = pattern.exec(flow)) {
    last = pattern.lastIndex;
    const top = stack.at(-1);
    if (found[1] !== undefined) {
      key = found[1];
      top?.keys.push(key);
    } else if (found[0] === '{' || found[0] === '[') {
      base = [...(top?.path ?? path), ...(top?.list ? ['#'] : []), ...(key !== undefined ? [key] : [])];
      stack.push({ path: base, list: found[0] === '[', keys: [] });
      key = undefined;
    } else if (found[0] === '}' || found[0] === ']') {
      stack.pop();
      key = undefined;
    } else if (found[0] === ',') key = undefined;
  }
  const top = stack.at(-1);
  if (!top) return undefined;
  const tail = flow.slice(last).trimStart();
  if (!/^[\w./-]*$/.test(tail)) return undefined;
  const from = offset - tail.length;
  if (key !== undefined) return { path: [...top.path, key], writing: 'value', from, present: [] };
  if (top.list) return { path: [...top.path, '#'], writing: 'value', from, present: [] };
  return { path: top.path, writing: 'key', from, present: top.keys };
}
