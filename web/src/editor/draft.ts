/** Unsaved text of an editor, kept by the tab so that neither a failure nor an ended session loses it. */
const key = (user: string, what: string): string => `synod.draft.${user}.${what}`;

/** What was kept, with the revision it was edited from. */
export interface Draft {
  text: string;
  revision: number;
}

/** Keeps a draft; a tab that cannot keep anything goes on without. */
export function keepDraft(user: string, what: string, draft: Draft | undefined): void {
  try {
    if (draft === undefined) sessionStorage.removeItem(key(user, what));
    else sessionStorage.setItem(key(user, what), JSON.stringify(draft));
  } catch {
    // Full or forbidden: the text stays in the editor.
  }
}

/** The draft of before, if there is one. */
export function keptDraft(user: string, what: string): Draft | undefined {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(key(user, what)) ?? 'null');
    if (typeof kept !== 'object' || kept === null || !('text' in kept) || !('revision' in kept)) return undefined;
    return typeof kept.text === 'string' && typeof kept.revision === 'number' ? { text: kept.text, revision: kept.revision } : undefined;
  } catch {
    return undefined;
  }
}
