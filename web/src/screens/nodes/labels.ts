/** A label as people write it: `role=web`. */
export const written = ([key, value]: [string, string]): string => `${key}=${value}`;

/** Reads `role=web, zone=a`, one or several to a line. What cannot be read is told in words. */
export function readLabels(text: string): { labels: Record<string, string>; wrong?: string } {
  const labels: Record<string, string> = {};
  for (const part of text.split(/[,\n]/).map((one) => one.trim())) {
    if (part === '') continue;
    const at = part.indexOf('=');
    if (at < 1) return { labels, wrong: `“${part}” is not a label: write KEY=VALUE, such as role=web` };
    const key = part.slice(0, at).trim();
    if (key in labels) return { labels, wrong: `“${key}” is there twice` };
    labels[key] = part.slice(at + 1).trim();
  }
  return { labels };
}

/** What to send so that `before` becomes `after`: only what differs, `null` for what goes away. */
export function changes(before: Record<string, string>, after: Record<string, string>): Record<string, string | null> {
  const change: Record<string, string | null> = {};
  for (const [key, value] of Object.entries(after)) if (before[key] !== value) change[key] = value;
  for (const key of Object.keys(before)) if (!(key in after)) change[key] = null;
  return change;
}

/** A selector with one more condition, if it is not there yet. */
export function narrowed(selector: string, condition: string): string {
  const parts = selector
    .split(/,(?![^(]*\))/)
    .map((part) => part.trim())
    .filter((part) => part !== '');
  return parts.includes(condition) ? parts.join(',') : [...parts, condition].join(',');
}
