import type { Envelope, RootDoc } from './root';

const TYPE = 'application/vnd.synod.root+json';

/** A signed root that somebody gave, read but not judged: that is the server's to do. */
export interface Offered {
  envelope: Envelope;
  document: RootDoc;
  digest: string;
}

/** Reads copies of one signed root and puts their signatures together; throws words for people. */
export async function readCopies(texts: string[]): Promise<Offered> {
  const copies = texts.map(readEnvelope);
  const [first, ...others] = copies;
  if (!first) throw new Error('Choose the signed file, or paste its text.');
  for (const other of others)
    if (other.payload !== first.payload)
      throw new Error('The files are copies of different roots. Choose copies of one root that were signed apart.');
  const bytes = fromBase64(first.payload);
  const envelope = { ...first, signatures: uniqueSignatures(copies) };
  return { envelope, document: readDocument(bytes), digest: `sha256:${hex(await crypto.subtle.digest('SHA-256', bytes))}` };
}

function readEnvelope(text: string): Envelope {
  const value = parse(text, 'This is no JSON. Choose the file that `synod trust sign` wrote, such as root-2.json.');
  if (!isRecord(value) || typeof value['payload'] !== 'string' || !Array.isArray(value['signatures'])) {
    throw new Error('This is no signed root: it has no payload and signatures. Choose the file that `synod trust sign` wrote.');
  }
  if (value['payloadType'] !== TYPE)
    throw new Error(`This is something else that was signed: ${String(value['payloadType'])}. A trust root is ${TYPE}.`);
  const signatures = value['signatures'].filter(
    (one): one is Envelope['signatures'][number] => isRecord(one) && typeof one['keyid'] === 'string' && typeof one['sig'] === 'string',
  );
  return { payloadType: TYPE, payload: value['payload'], signatures };
}

function readDocument(bytes: Uint8Array<ArrayBuffer>): RootDoc {
  const value = parse(new TextDecoder().decode(bytes), 'The payload of this file is no trust root.');
  if (!isRecord(value) || value['kind'] !== 'TrustRoot' || typeof value['version'] !== 'number')
    throw new Error('The payload of this file is no trust root.');
  return value as unknown as RootDoc;
}

function uniqueSignatures(copies: Envelope[]): Envelope['signatures'] {
  const seen = new Map<string, Envelope['signatures'][number]>();
  for (const one of copies.flatMap((copy) => copy.signatures)) seen.set(`${one.keyid} ${one.sig}`, one);
  return [...seen.values()];
}

function parse(text: string, otherwise: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(otherwise);
  }
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    throw new Error('The payload of this file is damaged: it is no base64.');
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const hex = (bytes: ArrayBuffer): string => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
