import { useEffect, useState } from 'react';
import { toApiError } from '~/api/problem';

/** Until when the server wants to be left alone after an error, in milliseconds since 1970; 0 when it does not say. */
export function until(error: unknown, now: number): number {
  if (error === undefined || error === null) return 0;
  const seconds = toApiError(error).problem.retryAfterS;
  return seconds ? now + seconds * 1000 : 0;
}

/** How many seconds to wait yet, counted down; 0 when it may be tried. Counts anew with each error. */
export function useWait(error: unknown): number {
  const [end, setEnd] = useState(0);
  const [now, setNow] = useState(0);
  useEffect(() => {
    const present = Date.now();
    setNow(present);
    setEnd(until(error, present));
  }, [error]);
  const left = Math.max(0, Math.ceil((end - now) / 1000));
  useEffect(() => {
    if (left === 0) return;
    const timer = window.setTimeout(() => setNow(Date.now()), 500);
    return () => window.clearTimeout(timer);
  });
  return left;
}
