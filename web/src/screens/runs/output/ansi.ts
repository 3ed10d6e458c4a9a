import { FancyAnsi } from 'fancy-ansi';
import type { CSSProperties } from 'react';
import { visible } from '~/lib/text';

/** A piece of a line in one style. */
export interface Piece {
  text: string;
  style?: CSSProperties;
}

/** The properties a terminal's colours may set; nothing else is taken over. */
const STYLES = [
  'color',
  'backgroundColor',
  'fontWeight',
  'fontStyle',
  'opacity',
  'textDecoration',
  'textDecorationLine',
  'textDecorationStyle',
  'textDecorationColor',
] as const;
const fancy = new FancyAnsi();

const ENTITIES: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" };
const decoded = (text: string): string => text.replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity] ?? entity);

/** Control sequences: colours, movements of the cursor and the like (ECMA-48, 5.4). */
const CONTROL = /\u001b\[[0-?]*[ -/]*[@-~]/g;
const bare = (line: string): string => line.replace(/\r$/, '').replace(CONTROL, '');

/** The line without what only a terminal understands; everything else is there to be seen. */
export const plain = (line: string): string => visible(bare(line));

/** A line's pieces with their styles; texts only, whatever the line holds. */
export function pieces(line: string): Piece[] {
  if (!line.includes('\u001b[')) return [{ text: plain(line) }];
  const found: Piece[] = [];
  const open: Piece['style'][] = [];
  // What the parser writes holds nothing but text with entities and these elements.
  for (const part of fancy.toHtml(line.replace(/\r$/, '')).split(/(<[^>]*>)/)) {
    if (part.startsWith('</')) open.pop();
    else if (part.startsWith('<')) open.push(declared(decoded(/\sstyle="([^"]*)"/.exec(part)?.[1] ?? '')));
    else if (part !== '') found.push({ text: decoded(part), style: open.length === 0 ? undefined : Object.assign({}, ...open) });
  }
  // The parser leaves out what it does not understand; nobody hides anything by that.
  if (found.map(({ text }) => text).join('') !== bare(line)) return [{ text: plain(line) }];
  return found.map(({ text, style }) => ({ text: visible(text), style }));
}

/** The declarations of a style attribute that are known here. */
function declared(text: string): Piece['style'] {
  const style: Partial<Record<(typeof STYLES)[number], string>> = {};
  for (const declaration of text.split(';')) {
    const at = declaration.indexOf(':');
    const name = declaration
      .slice(0, at)
      .trim()
      .replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    const known = STYLES.find((one) => one === name);
    const value = declaration.slice(at + 1).trim();
    if (known !== undefined && !/url\(/i.test(value)) style[known] = value;
  }
  return style as CSSProperties;
}

const SGR = /\u001b\[([\d;]*)m/g;
/** More of it than anybody nests. */
const MOST = 120;

/** The colours that still hold at the end of a line, to begin the next one with. */
export function carried(line: string, before: string): string {
  let held = before;
  for (const [sequence, codes = ''] of line.matchAll(SGR)) {
    if (codes === '' || codes === '0') held = '';
    else held = `${held}${sequence}`.slice(-MOST);
  }
  return held.startsWith('\u001b') ? held : '';
}
