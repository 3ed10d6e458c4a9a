import { useEffect, useRef, useState } from 'react';
import { client, type Schemas } from '~/api/client';
import { type ApiError, toApiError } from '~/api/problem';

export type RunRequest = Schemas['RunRequest'];
export type RunPlan = Schemas['RunPlan'];

/** What the server says to a request that was not made. */
export interface Answer {
  plan?: RunPlan;
  error?: ApiError;
  /** To which request. */
  of: string;
}

/** Asks what a request would do. */
export async function dryRun(request: RunRequest, signal?: AbortSignal): Promise<Answer> {
  const of = JSON.stringify(request);
  try {
    const { data } = await client.POST('/api/v1/runs', { body: { ...request, dryRun: true }, ...(signal ? { signal } : {}) });
    return { plan: data as unknown as RunPlan, of };
  } catch (cause) {
    return { error: toApiError(cause), of };
  }
}

/**
 * Asks a moment after each change. What was asked holds secrets, so it stays in this component and in no cache. The last
 * answer stays until there is a new one; `fresh` tells whether it is about the request as it stands.
 */
export function usePlan(request: RunRequest | undefined): {
  answer: Answer | undefined;
  fresh: boolean;
  ask: () => Promise<Answer | undefined>;
} {
  const [answer, setAnswer] = useState<Answer>();
  const text = request && JSON.stringify(request);
  const latest = useRef(request);
  useEffect(() => {
    latest.current = request;
  });
  useEffect(() => {
    if (text === undefined) return;
    const aborted = new AbortController();
    const timer = window.setTimeout(() => {
      if (!latest.current) return;
      void dryRun(latest.current, aborted.signal).then((next) => {
        if (!aborted.signal.aborted) setAnswer(next);
      });
    }, 450);
    return () => {
      window.clearTimeout(timer);
      aborted.abort();
    };
  }, [text]);
  const ask = async () => {
    if (!latest.current) return undefined;
    const next = await dryRun(latest.current);
    setAnswer(next);
    return next;
  };
  return { answer, fresh: answer !== undefined && answer.of === text, ask };
}
