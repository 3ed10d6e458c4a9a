import { parseDocument, stringify } from 'yaml';
import type { Document } from './types';

/** The YAML people edit: without what the server fills in. */
export function toText(document: Document): string {
  const { namespace, name, labels } = document.metadata;
  const metadata = {
    ...(namespace ? { namespace } : {}),
    name,
    ...(labels && Object.keys(labels).length > 0 ? { labels } : {}),
  };
  return stringify({ apiVersion: document.apiVersion, kind: document.kind, metadata, spec: document.spec }, { lineWidth: 120 });
}

/** A document read from YAML, or where it cannot be read. */
export type Read = { ok: true; value: Record<string, unknown> } | { ok: false; message: string; from: number; to: number };

/** Reads the one document of a text. */
export function readText(text: string): Read {
  const parsed = parseDocument(text, { uniqueKeys: true, prettyErrors: false });
  const error = parsed.errors[0];
  if (error) return { ok: false, message: error.message, from: error.pos[0], to: Math.max(error.pos[1], error.pos[0]) };
  let value: unknown;
  try {
    value = parsed.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    return { ok: false, message: cause instanceof Error ? cause.message : 'It cannot be read.', from: 0, to: text.length };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { ok: false, message: 'A document begins with `apiVersion: synod/v1`.', from: 0, to: text.length };
  }
  return { ok: true, value: value as Record<string, unknown> };
}

/** A text with `spec.enabled` set, everything else as it stands. */
export function withEnabled(document: Document, enabled: boolean): Record<string, unknown> {
  const { namespace, name, labels } = document.metadata;
  return {
    apiVersion: document.apiVersion,
    kind: document.kind,
    metadata: { namespace, name, ...(labels ? { labels } : {}) },
    spec: { ...(document.spec as Record<string, unknown>), enabled },
  };
}
