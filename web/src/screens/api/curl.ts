import type { Method } from '~/api/document';

/** A call with everything filled in. */
export interface Filled {
  method: Method;
  path: string;
  pathParams: Record<string, string>;
  query: Record<string, string>;
  header: Record<string, string>;
  /** JSON as it was typed. */
  body?: string | undefined;
}

/** Between single quotes a shell reads nothing. */
const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** The address that is called; what is not filled in keeps its braces. */
export function address(server: string, { path, pathParams, query }: Filled): string {
  const filled = path.replace(/\{([^}]+)\}/g, (braces, name: string) => (pathParams[name] ? encodeURIComponent(pathParams[name]) : braces));
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== '')).toString();
  return `${server}${filled}${search === '' ? '' : `?${search}`}`;
}

/** The same call by curl with an API key, which is taken from the environment so that it enters no history. */
export function curl(server: string, filled: Filled): string {
  const lines = [`curl -X ${filled.method.toUpperCase()} ${quoted(address(server, filled))}`, `  -H "Authorization: Bearer $SYNOD_TOKEN"`];
  for (const [name, value] of Object.entries(filled.header)) if (value !== '') lines.push(`  -H ${quoted(`${name}: ${value}`)}`);
  if (filled.body !== undefined) lines.push(`  -H 'Content-Type: application/json'`, `  -d ${quoted(filled.body)}`);
  return lines.join(' \\\n');
}
