import { keep, kept } from '~/lib/draft';

/** Unsaved text of an editor, with the revision it was edited from. */
export interface Draft {
  text: string;
  revision: number;
}

/** Keeps a draft, or lets it go. */
export const keepDraft = (user: string, what: string, draft: Draft | undefined): void => keep(user, what, draft);

/** The draft of before, if there is one. */
export function keptDraft(user: string, what: string): Draft | undefined {
  const { text, revision } = kept(user, what) ?? {};
  return typeof text === 'string' && typeof revision === 'number' ? { text, revision } : undefined;
}
