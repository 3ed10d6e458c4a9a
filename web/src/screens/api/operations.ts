import type { ApiDocument, JsonSchema, Method, Operation } from '~/api/document';

const METHODS: Method[] = ['get', 'post', 'put', 'patch', 'delete'];

export interface Listed {
  id: string;
  method: Method;
  path: string;
  tag: string;
  operation: Operation;
}

/** All operations, by tag and in the document's order. */
export function operations(document: ApiDocument): Listed[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method];
      return operation === undefined
        ? []
        : [{ id: operation.operationId ?? `${method} ${path}`, method, path, tag: operation.tags?.[0] ?? 'other', operation }];
    }),
  );
}

/** Those whose method, path or words contain every word of the search. */
export function found(all: Listed[], search: string): Listed[] {
  const words = search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  return all.filter(({ id, method, path, tag, operation }) => {
    const text = [
      method,
      path,
      tag,
      id,
      operation.summary ?? '',
      operation.description ?? '',
      ...(operation.parameters ?? []).map((one) => one.name),
    ]
      .join(' ')
      .toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** The same under their tags. */
export function byTag(listed: Listed[]): [string, Listed[]][] {
  const tags = new Map<string, Listed[]>();
  for (const one of listed) tags.set(one.tag, [...(tags.get(one.tag) ?? []), one]);
  return [...tags];
}

/** The schema a reference stands for, with the name it has there. */
export function resolved(schema: JsonSchema, document: ApiDocument): { schema: JsonSchema; name?: string } {
  const name = /^#\/components\/schemas\/(.+)$/.exec(schema.$ref ?? '')?.[1];
  const target = name === undefined ? undefined : document.components?.schemas?.[name];
  return target === undefined
    ? { schema }
    : { schema: { ...target, ...(schema.description !== undefined && { description: schema.description }) }, name };
}

/** `string`, `integer (int64)`, `list of Node`, `Run or null`: a schema's kind in a few words. */
export function kindOf(schema: JsonSchema, document: ApiDocument): string {
  if (schema.$ref !== undefined) return resolved(schema, document).name ?? schema.$ref;
  const parts = schema.oneOf ?? schema.anyOf;
  if (parts !== undefined) return [...new Set(parts.map((part) => kindOf(part, document)))].join(' or ');
  if (schema.allOf !== undefined) return schema.allOf.map((part) => kindOf(part, document)).join(' and ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.items !== undefined) return `list of ${kindOf(schema.items, document)}`;
  if (typeof schema.additionalProperties === 'object') return `map of ${kindOf(schema.additionalProperties, document)}`;
  const types = Array.isArray(schema.type) ? schema.type.join(' or ') : (schema.type ?? (schema.properties ? 'object' : 'anything'));
  return schema.format !== undefined ? `${types} (${schema.format})` : types;
}

/** The schemas that a schema is made of, where it is no object by itself. */
export function parts(schema: JsonSchema): JsonSchema[] {
  if (schema.items !== undefined) return [schema.items];
  if (typeof schema.additionalProperties === 'object') return [schema.additionalProperties];
  return (schema.allOf ?? schema.oneOf ?? schema.anyOf ?? []).filter((part) => part.type !== 'null');
}

/** Whether there is anything inside to show. Schemas that come back to themselves have shown it before the bound. */
export function opens(schema: JsonSchema, document: ApiDocument, depth = 4): boolean {
  const { schema: one } = resolved(schema, document);
  if (one.properties !== undefined || one.enum !== undefined || one.pattern !== undefined) return true;
  return depth > 0 && parts(one).some((part) => opens(part, document, depth - 1));
}

/** What is said of a schema: by itself, by what it refers to, or by its only part. */
export function aboutOf(schema: JsonSchema, document: ApiDocument): string | undefined {
  const { schema: one } = resolved(schema, document);
  return one.description ?? parts(one).find((part) => part.description !== undefined)?.description;
}

/** A body to begin with: what is required, and what has an example or a default. References that come back end the walk. */
export function starter(schema: JsonSchema, document: ApiDocument, seen: readonly string[] = []): unknown {
  const { schema: one, name } = resolved(schema, document);
  if (name !== undefined && seen.includes(name)) return {};
  const within = name === undefined ? seen : [...seen, name];
  if (one.const !== undefined) return one.const;
  if (one.default !== undefined) return one.default;
  if (one.examples?.[0] !== undefined) return one.examples[0];
  if (one.enum?.[0] !== undefined) return one.enum[0];
  if (one.allOf !== undefined) return Object.assign({}, ...one.allOf.map((part) => starter(part, document, within)));
  const choice = (one.oneOf ?? one.anyOf)?.find((part) => part.type !== 'null');
  if (choice !== undefined) return starter(choice, document, within);
  const type = Array.isArray(one.type) ? one.type.find((kind) => kind !== 'null') : one.type;
  if (one.properties !== undefined) {
    const required = new Set(one.required ?? []);
    const fields = Object.entries(one.properties).filter(([field]) => required.has(field));
    return Object.fromEntries(fields.map(([field, inner]) => [field, starter(inner, document, within)]));
  }
  if (type === 'array') return [];
  if (type === 'boolean') return false;
  if (type === 'integer' || type === 'number') return one.minimum ?? 0;
  if (type === 'string') return '';
  return {};
}
