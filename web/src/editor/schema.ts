/** What the editor needs of a JSON Schema: descriptions, names and values along a path. */
export interface Schema {
  $ref?: string;
  title?: string;
  description?: string;
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  default?: unknown;
  examples?: unknown[];
  required?: string[];
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
  [keyword: string]: unknown;
}

/** A schema with its reference followed; words beside the reference win. */
export function resolve(root: Schema, schema: Schema): Schema {
  let here = schema;
  for (let hops = 0; here.$ref !== undefined && hops < 20; hops++) {
    let found: unknown = root;
    for (const part of here.$ref.replace(/^#\/?/, '').split('/').filter(Boolean)) {
      found = (found as Record<string, unknown> | undefined)?.[part.replaceAll('~1', '/').replaceAll('~0', '~')];
    }
    const { $ref: _, ...beside } = here;
    here = { ...(found as Schema | undefined), ...beside };
  }
  return here;
}

/** A schema and all alternatives of it. */
function variants(root: Schema, schema: Schema): Schema[] {
  const here = resolve(root, schema);
  return [here, ...[...(here.oneOf ?? []), ...(here.anyOf ?? []), ...(here.allOf ?? [])].flatMap((one) => variants(root, one))];
}

/** Every schema that may describe what stands at a path; `#` is a position in a list. */
export function schemasAt(root: Schema, path: string[]): Schema[] {
  let here = variants(root, root);
  for (const segment of path) {
    here = here.flatMap((schema) => {
      const next =
        segment === '#'
          ? schema.items
          : (schema.properties?.[segment] ?? (typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined));
      return next ? variants(root, next) : [];
    });
  }
  return here;
}

/** What stands at a path in words: the description, the type, the values it takes. */
export function describe(root: Schema, path: string[]): { description: string; type: string } | undefined {
  const found = schemasAt(root, path);
  if (found.length === 0) return undefined;
  const description = found.find((one) => one.description)?.description ?? '';
  const types = [
    ...new Set(
      found.flatMap((one) =>
        one.enum
          ? one.enum.map((value) => JSON.stringify(value))
          : one.const !== undefined
            ? [JSON.stringify(one.const)]
            : (one.type ?? []),
      ),
    ),
  ].filter((type) => type !== 'null');
  return description === '' && types.length === 0 ? undefined : { description, type: types.join(' | ') };
}

/** A suggestion. */
export interface Suggestion {
  label: string;
  detail: string;
  info: string;
  required: boolean;
}

/** The keys that may stand in the map at a path, without those that stand there already. */
export function keysAt(root: Schema, path: string[], present: string[] = []): Suggestion[] {
  const found = new Map<string, Suggestion>();
  for (const schema of schemasAt(root, path)) {
    for (const label of Object.keys(schema.properties ?? {})) {
      if (present.includes(label) || found.has(label)) continue;
      const about = describe(root, [...path, label]);
      found.set(label, {
        label,
        detail: about?.type ?? '',
        info: about?.description ?? '',
        required: schema.required?.includes(label) ?? false,
      });
    }
  }
  return [...found.values()];
}

/** The values that may stand at a path, where they are known. */
export function valuesAt(root: Schema, path: string[]): string[] {
  const values = schemasAt(root, path).flatMap((schema) => [
    ...(schema.enum ?? []),
    ...(schema.const !== undefined ? [schema.const] : []),
    ...(schema.type === 'boolean' ? [true, false] : []),
    ...(schema.examples ?? []),
  ]);
  return [...new Set(values.filter((value) => value !== null).map(String))];
}
