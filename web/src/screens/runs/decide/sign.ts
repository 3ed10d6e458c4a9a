import { client, type Schemas, unwrap } from '~/api/client';
import { ApiError } from '~/api/problem';
import { queryClient } from '~/api/query';
import { assertPasskey } from '~/session/passkey';
import { nodesOptions } from '../data';
import { bytesOf, canonical, toBase64 } from '../logic/canonical';
import { checkOrder, checkShown, type Meant } from '../logic/check';
import type { Run } from '../logic/types';

/** What the server asks to be signed for a decision, and with which keys. */
export const askOrder = (
  run: string,
  { decision, comment, ratifies }: Pick<Meant, 'decision' | 'comment' | 'ratifies'>,
): Promise<Schemas['SigningOrder']> =>
  unwrap(client.POST('/api/v1/runs/{id}/signing', { params: { path: { id: run } }, body: { decision, comment, ratifies } }));

/** Checks what is shown, whatever the server says about it. */
export async function checkRun(run: Run): Promise<void> {
  await checkShown(run, await queryClient.ensureQueryData(nodesOptions(run.id)));
}

const noKey = (): ApiError =>
  new ApiError({
    type: 'about:blank',
    title: 'No passkey of yours counts',
    status: 409,
    detail: 'The published trust root holds no passkey of yours for this site.',
    code: 'passkey',
    remedy: 'Decide on the command line, or have your passkey put into the trust root.',
  });

/** Signs a decision on exactly what is shown with one of the person's passkeys. */
export async function sign(run: Run, meant: Meant): Promise<Schemas['Envelope']> {
  await checkRun(run);
  const order = await askOrder(run.id, meant);
  await checkOrder(order, run, meant);
  if (!order.rpId || order.credentials.length === 0) throw noKey();
  const assertion = await assertPasskey({
    challenge: order.challenge,
    rpId: order.rpId,
    allow: order.credentials.map(({ credentialId }) => credentialId),
  });
  const key = order.credentials.find(({ credentialId }) => credentialId === assertion.credentialId);
  if (key === undefined) throw noKey();
  return {
    payloadType: order.payloadType,
    payload: order.payload,
    signatures: [{ keyid: key.keyId, sig: toBase64(bytesOf(canonical(assertion))) }],
  };
}

/** Decides on a run; signs for it where the trust root asks for that. */
export async function decide(run: Run, meant: Meant, signed: boolean): Promise<Run> {
  const signature = signed ? await sign(run, meant) : undefined;
  if (!signed) await checkRun(run);
  const { decision, comment } = meant;
  return unwrap(
    client.POST('/api/v1/runs/{id}/approvals', {
      params: { path: { id: run.id } },
      body: { digest: run.digest, decision, comment, ...(signature && { signature }) },
    }),
  );
}

/** Approves after the fact a run that was started by break-glass. */
export async function ratify(run: Run, meant: Meant): Promise<Run> {
  const signature = await sign(run, meant);
  return unwrap(client.POST('/api/v1/runs/{id}/ratify', { params: { path: { id: run.id } }, body: { signature } }));
}
