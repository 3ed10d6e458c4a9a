import { ApiError } from '~/api/problem';
import { canonical, digest, fromBase64, nodesRoot, pae, sha256, toBase64Url } from './canonical';
import type { Decision, Manifest } from './types';

/** What is shown as the run to decide on. */
export interface Shown {
  id: string;
  digest: string;
  manifest: Manifest;
}

/** Why nothing may be signed: what the server shows contradicts itself. */
export class Contradiction extends ApiError {
  constructor(what: string) {
    super({
      type: 'about:blank',
      title: 'What is shown contradicts itself',
      status: 409,
      detail: `The server shows ${what}. Nothing was signed or sent.`,
      code: 'checked by your browser',
      remedy: 'Do not approve; tell whoever runs the server.',
    });
  }
}

const stranger = (what: string): Contradiction => new Contradiction(what);

/** Checks that the digest is that of the manifest shown, that it is this run's, and that it names these nodes. */
export async function checkShown(run: Shown, nodes: readonly { id: string; name: string }[]): Promise<void> {
  const found = await digest(run.manifest);
  if (found !== run.digest) throw stranger(`a manifest with the digest ${found} and calls it ${run.digest}`);
  if (run.manifest.run !== run.id) throw stranger(`the manifest of run ${run.manifest.run} as that of ${run.id}`);
  if (nodes.length !== run.manifest.nodes.count || (await nodesRoot(nodes)) !== run.manifest.nodes.root) {
    throw stranger('other nodes than the manifest commits to');
  }
}

/** What the server asks to be signed. */
export interface Order {
  payloadType: string;
  payload: string;
  challenge: string;
}

/** What the person means to say. */
export interface Meant {
  decision: Decision;
  comment: string;
  person: string;
  ratifies: boolean;
}

const APPROVAL = 'application/vnd.synod.approval+json';

/** Checks that a statement to be signed says what the person means about what they were shown, and nothing more. */
export async function checkOrder(order: Order, run: Shown, meant: Meant): Promise<void> {
  if (order.payloadType !== APPROVAL) throw stranger(`a statement of the type ${order.payloadType} to sign`);
  const payload = fromBase64(order.payload);
  const text = new TextDecoder('utf-8', { fatal: true }).decode(payload);
  const statement = JSON.parse(text) as Record<string, unknown>;
  if (canonical(statement) !== text) throw stranger('a statement that is not in canonical form');
  const { at, ...said } = statement;
  const expected = {
    apiVersion: 'synod/v1',
    kind: 'Approval',
    run: run.id,
    digest: run.digest,
    decision: meant.decision,
    person: meant.person,
    ...(meant.comment === '' ? {} : { comment: meant.comment }),
    ...(run.manifest.breakGlass && !meant.ratifies ? { breakGlass: true } : {}),
    ...(meant.ratifies ? { ratifies: true } : {}),
  };
  if (typeof at !== 'string' || canonical(said) !== canonical(expected))
    throw stranger('a statement to sign that says something else than you mean');
  if (toBase64Url(await sha256(pae(order.payloadType, payload))) !== order.challenge)
    throw stranger('a challenge that is not that of the statement');
}
