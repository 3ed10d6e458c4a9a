/** Scripts as they will run, made here from the manifest that the digest covers, as far as that can be said before a node runs them. */

const SAFE = /^[A-Za-z0-9\-_./:=@%+,]+$/;

/** Quotes a text so that a POSIX shell reads it as one word. */
export const shellQuote = (text: string): string => (SAFE.test(text) ? text : `'${text.replace(/'/g, "'\\''")}'`);

const EXPRESSION = /\{\{(.*?)\}\}/gs;
const INPUT = /^\s*inputs(?:\.([A-Za-z_][A-Za-z0-9_]*)|\[\s*(?:'([^']+)'|"([^"]+)")\s*\])\s*$/;

/** The script with the inputs filled in; `undefined` when only a node can say what it becomes. */
export function filledIn(source: string, inputs: Record<string, unknown>, secrets: readonly string[]): string | undefined {
  if (source.includes('{%') || source.includes('{#')) return undefined;
  let certain = true;
  const text = source.replace(EXPRESSION, (whole, inside: string) => {
    const [, dotted, single, double] = INPUT.exec(inside) ?? [];
    const name = dotted ?? single ?? double;
    if (name !== undefined && secrets.includes(name)) return `⟨secret ${name}⟩`;
    const value = name === undefined ? undefined : inputs[name];
    if (typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value)) return shellQuote(String(value));
    certain = false;
    return whole;
  });
  return certain && !text.replace(EXPRESSION, '').includes('{{') ? text : undefined;
}

/** Whether a script lets a value become code by `raw`. */
export const usesRaw = (source: string): boolean =>
  source
    .split('|')
    .slice(1)
    .some((rest) => rest.trimStart().startsWith('raw'));
