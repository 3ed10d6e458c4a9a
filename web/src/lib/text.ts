/** Text that came from elsewhere, made visible: nothing hides in it, nothing turns it around. */

const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0]/g;

/** Control characters, invisible ones and those that change the direction of writing are spelled out: `⟦U+202E⟧`. */
export const visible = (text: string): string =>
  text.replace(HIDDEN, (char) => `⟦U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}⟧`);

/** The same for one line: line breaks and tabs are spelled out too. */
export const visibleLine = (text: string): string => visible(text).replace(/\n/g, '⏎').replace(/\t/g, ' ');

/** A document as JSON, where the same characters are escaped: what is copied from it still says the same. */
export const visibleJson = (value: unknown): string =>
  JSON.stringify(value, null, 2).replace(HIDDEN, (char) => `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`);

/** A value as people read it: texts without quotes. */
export const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** What a run is called. */
export const titleOf = (run: { title: string; template: string }): string => visibleLine(run.title || run.template);

/** `a`, `a or b`, `a, b or c` */
export const either = (words: string[], last = 'or'): string =>
  words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} ${last} ${words[words.length - 1]}`;

/** A document as people read it: a line for each thing in it, what belongs to it further in. Not to be read back. */
export function outline(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (value === '') return '""';
  if (typeof value !== 'object') return String(value).trimEnd();
  const further = (text: string): string => text.replace(/^/gm, '  ');
  if (Array.isArray(value)) return value.map((one) => `- ${further(outline(one)).slice(2)}`).join('\n') || 'none';
  const lines = Object.entries(value).map(([name, one]) => {
    const text = outline(one);
    const below = text.includes('\n') || (typeof one === 'object' && one !== null && text !== 'none');
    return below ? `${name}:\n${further(text)}` : `${name}: ${text}`;
  });
  return lines.join('\n') || 'none';
}
