import { client } from './client';

/** The parts of an OpenAPI 3.1 document that the console shows. */
export interface ApiDocument {
  openapi: string;
  info: { title: string; version: string; description?: string };
  paths: Record<string, Partial<Record<Method, Operation>>>;
  components?: { schemas?: Record<string, JsonSchema> };
}

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

export interface Operation {
  operationId?: string;
  summary?: string;
  description?: string;
  tags?: string[];
  parameters?: Parameter[];
  requestBody?: { required?: boolean; content: Record<string, { schema?: JsonSchema }> };
  responses: Record<string, { description?: string; content?: Record<string, { schema?: JsonSchema }> }>;
  security?: Record<string, string[]>[];
}

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header' | 'cookie';
  required?: boolean;
  description?: string;
  schema?: JsonSchema;
}

export interface JsonSchema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  title?: string;
  description?: string;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  examples?: unknown[];
  pattern?: string;
  minimum?: number;
  maximum?: number;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  additionalProperties?: JsonSchema | boolean;
  allOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  anyOf?: JsonSchema[];
}

/** What a call by method and path may carry. */
export interface Call {
  params: { path: Record<string, string>; query: Record<string, string>; header: Record<string, string> };
  body?: unknown;
  signal: AbortSignal;
}

/** The same client, for operations that are only known at run time: sessions, CSRF and step-up work as for all others. */
const request = client.request as unknown as (
  method: Method,
  path: string,
  init: object,
) => Promise<{ data?: unknown; error?: unknown; response: Response }>;

/** The server's description of its own API. */
export const documentOptions = {
  queryKey: ['get', '/openapi.json'],
  queryFn: async ({ signal }: { signal: AbortSignal }) => (await request('get', '/openapi.json', { signal })).data as ApiDocument,
  staleTime: Infinity,
};

/** Calls any operation; gives the answer as it came, also one that refuses. Its body is still to be read. */
export async function call(method: Method, path: string, { params, body, signal }: Call): Promise<Response> {
  let refused: Response | undefined;
  const keep = {
    // The first to see an answer; what refuses is thrown by the client afterwards, without its headers.
    onResponse: ({ response }: { response: Response }) => {
      refused = response.ok ? undefined : response.clone();
    },
  };
  try {
    const { response } = await request(method, path, {
      params,
      signal,
      parseAs: 'stream',
      middleware: [keep],
      ...(body !== undefined && { body }),
    });
    return response;
  } catch (error) {
    if (refused !== undefined) return refused;
    throw error;
  }
}
