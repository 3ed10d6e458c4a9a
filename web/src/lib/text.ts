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
