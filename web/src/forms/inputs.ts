import type { RJSFSchema, UiSchema } from '@rjsf/utils';

type Inputs = Record<string, unknown>;

/** The schema as rjsf draws it: what 2020-12 has renamed under the names it knows. */
export function forForm(schema: RJSFSchema): RJSFSchema {
  return rename(structuredClone(schema)) as RJSFSchema;
}

function rename(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(rename);
  if (typeof node !== 'object' || node === null) return node;
  const { prefixItems, dependentRequired, dependentSchemas, ...rest } = node as Record<string, unknown>;
  const made: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(rest))
    made[name] = name === 'default' || name === 'const' || name === 'enum' || name === 'examples' ? value : rename(value);
  if (Array.isArray(prefixItems)) {
    if (made['items'] !== undefined) made['additionalItems'] = made['items'];
    made['items'] = prefixItems.map(rename);
  }
  if (dependentRequired !== undefined || dependentSchemas !== undefined) {
    made['dependencies'] = {
      ...(made['dependencies'] as object | undefined),
      ...(dependentRequired as object | undefined),
      ...(rename(dependentSchemas ?? {}) as object),
    };
  }
  return made;
}

const property = (schema: RJSFSchema, name: string): RJSFSchema => {
  const found = schema.properties?.[name];
  return typeof found === 'object' ? found : {};
};

/** The inputs nobody may read again. */
export const secretNames = (schema: RJSFSchema): string[] =>
  Object.keys(schema.properties ?? {}).filter((name) => property(schema, name).writeOnly === true);

/** Inputs without the secret ones, which stand in no address and no store. */
export function withoutSecrets(schema: RJSFSchema, inputs: Inputs): Inputs {
  const secret = new Set(secretNames(schema));
  return Object.fromEntries(Object.entries(inputs).filter(([name]) => !secret.has(name)));
}

/** How fields are drawn: secrets hidden, long texts with room. */
export function uiFor(schema: RJSFSchema): UiSchema {
  const ui: UiSchema = { 'ui:submitButtonOptions': { norender: true } };
  for (const name of Object.keys(schema.properties ?? {})) {
    const field = property(schema, name);
    if (field.writeOnly === true) ui[name] = { 'ui:widget': 'password', 'ui:options': { autoComplete: 'new-password' } };
    else if (field.type === 'string' && !field.enum && !field.format && (field.maxLength ?? 0) > 200)
      ui[name] = { 'ui:widget': 'textarea', 'ui:options': { rows: 3 } };
  }
  return ui;
}

/** Inputs from an address: an object, of names the template knows, without secrets. Tells whether anything was left out. */
export function prefilled(schema: RJSFSchema, text: string | undefined): { inputs: Inputs; dropped: string[] } {
  if (!text) return { inputs: {}, dropped: [] };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { inputs: {}, dropped: ['inputs'] };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { inputs: {}, dropped: ['inputs'] };
  const secret = new Set(secretNames(schema));
  const known = (name: string): boolean =>
    !secret.has(name) && (schema.properties === undefined ? schema.additionalProperties !== false : Object.hasOwn(schema.properties, name));
  const entries = Object.entries(value as Inputs);
  return {
    inputs: Object.fromEntries(entries.filter(([name]) => known(name))),
    dropped: entries.map(([name]) => name).filter((name) => !known(name)),
  };
}

/** Without what was left empty: an empty field is no value. */
export function tidy(inputs: Inputs): Inputs {
  return Object.fromEntries(Object.entries(inputs).filter(([, value]) => value !== undefined && value !== null && value !== ''));
}
