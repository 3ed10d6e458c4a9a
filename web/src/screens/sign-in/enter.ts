import { type Schemas, setCsrfToken } from '~/api/client';
import { forgetSession, loadSession } from '~/session/session';

/** Begins to be whom the new session is of; nothing read by somebody else before is kept. */
export async function enter(session: Pick<Schemas['SessionToken'], 'csrfToken'>): Promise<void> {
  forgetSession();
  setCsrfToken(session.csrfToken);
  await loadSession();
}
