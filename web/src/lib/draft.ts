/** What somebody wrote and has not sent, kept by the tab so that neither a failure nor an ended session loses it. */

const key = (user: string, what: string): string => `synod.draft.${user}.${what}`;

/** Keeps a draft, or lets it go; a tab that cannot keep anything goes on without. */
export function keep(user: string, what: string, draft: object | undefined): void {
  try {
    if (draft === undefined) sessionStorage.removeItem(key(user, what));
    else sessionStorage.setItem(key(user, what), JSON.stringify(draft));
  } catch {
    // Full or forbidden: what was written stays on the screen.
  }
}

/** The draft of before, if there is one. Whoever asks judges whether it is what they kept. */
export function kept(user: string, what: string): Record<string, unknown> | undefined {
  try {
    const found: unknown = JSON.parse(sessionStorage.getItem(key(user, what)) ?? 'null');
    return typeof found === 'object' && found !== null ? (found as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
