import { isAlias, isCollection, isMap, isPair, isScalar, isSeq, type Node, parseDocument, Scalar } from 'yaml';
import { segments } from '~/forms/pointer';

/** A piece of a text. */
export interface Place {
  from: number;
  to: number;
}

/**
 * Where in a YAML text the value of a JSON Pointer stands. What is not there is shown at the nearest thing around it. With a
 * line and a column, which count inside the value, the place is inside a script.
 */
export function placeOf(text: string, pointer: string, line?: number | null, column?: number | null): Place {
  const document = parseDocument(text, { keepSourceTokens: true });
  let node: unknown = document.contents;
  let place = around(text, node as Node | null);
  for (const segment of segments(pointer)) {
    if (isMap(node)) {
      const pair = node.items.find((one) => isScalar(one.key) && String(one.key.value) === segment);
      if (!pair) return place;
      // The key stands for a value that spans many lines; a short value stands for itself.
      place =
        isCollection(pair.value) || pair.value === null ? around(text, pair.key as Node) : around(text, (pair.value ?? pair.key) as Node);
      node = pair.value;
    } else if (isSeq(node)) {
      const item = node.items[Number(segment)];
      if (item === undefined) return place;
      node = item;
      place = around(text, item as Node);
    } else return place;
  }
  if (isScalar(node) && line) return inside(text, node, line, column ?? 1);
  return place;
}

/** The first line of a node. */
function around(text: string, node: Node | null): Place {
  const range = node?.range;
  if (!range) return { from: 0, to: endOfLine(text, 0) };
  return { from: range[0], to: Math.max(range[0], Math.min(range[1], endOfLine(text, range[0]))) };
}

const endOfLine = (text: string, from: number): number => {
  const end = text.indexOf('\n', from);
  return end < 0 ? text.length : end;
};

function inside(text: string, node: Scalar, line: number, column: number): Place {
  const start = node.range?.[0] ?? 0;
  if (node.type === Scalar.BLOCK_LITERAL || node.type === Scalar.BLOCK_FOLDED) {
    let at = endOfLine(text, start) + 1;
    const indent = /^[ ]*/.exec(firstFilled(text, at))?.[0].length ?? 0;
    for (let n = 1; n < line && at < text.length; n++) at = endOfLine(text, at) + 1;
    const end = endOfLine(text, at);
    return word(text, Math.min(at + indent + column - 1, end), end);
  }
  const quoted = node.type === Scalar.QUOTE_DOUBLE || node.type === Scalar.QUOTE_SINGLE ? 1 : 0;
  const end = Math.min(node.range?.[1] ?? text.length, endOfLine(text, start));
  return line === 1 ? word(text, Math.min(start + quoted + column - 1, end), end) : { from: start, to: end };
}

function firstFilled(text: string, from: number): string {
  for (let at = from; at < text.length; at = endOfLine(text, at) + 1) {
    const line = text.slice(at, endOfLine(text, at));
    if (line.trim() !== '') return line;
  }
  return '';
}

/** From a place to the end of the word there, at least one character. */
function word(text: string, from: number, end: number): Place {
  const found = /^[\w.-]+/.exec(text.slice(from, end));
  return { from, to: Math.min(Math.max(from + (found?.[0].length ?? 1), from), Math.max(end, from)) };
}

/** The path of the key or value at an offset, list positions as `#`; `undefined` where nothing stands. */
export function pathOf(text: string, offset: number): string[] | undefined {
  const document = parseDocument(text);
  const walk = (node: unknown, path: string[]): string[] | undefined => {
    if (isMap(node)) {
      for (const pair of node.items) {
        if (!isPair(pair) || !isScalar(pair.key)) continue;
        const here = [...path, String(pair.key.value)];
        if (within(pair.key, offset)) return here;
        const deeper = walk(pair.value, here);
        if (deeper) return deeper;
      }
      return undefined;
    }
    if (isSeq(node)) {
      for (const item of node.items) {
        const deeper = walk(item, [...path, '#']);
        if (deeper) return deeper;
      }
      return undefined;
    }
    return (isScalar(node) || isAlias(node)) && within(node, offset) ? path : undefined;
  };
  return walk(document.contents, []);
}

const within = (node: Node, offset: number): boolean => node.range != null && offset >= node.range[0] && offset <= node.range[1];
