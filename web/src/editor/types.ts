import type { Schemas } from '~/api/client';

export type Kind = Schemas['Kind'];
export type Applied = Schemas['Applied'];
export type Document = Schemas['Document'];

/** What `<DocumentEditor>` is told. */
export interface DocumentEditorProps {
  /** What is edited. */
  kind: Kind;
  /** Where it lives; absent for kinds outside of namespaces. */
  namespace?: string | undefined;
  /** Its name; absent for a new one, which names itself in its text. */
  name?: string | undefined;
  /** The text a new one begins with. */
  starter?: string;
  /** Shows it without letting anybody change it, and says why. */
  readOnly?: string | undefined;
  /** It was saved. */
  saved?: (applied: Applied) => void;
}

/** The part of the address that names a kind. */
export const PLURAL: Record<Kind, string> = {
  Namespace: 'namespaces',
  Group: 'groups',
  RoleBinding: 'rolebindings',
  Policy: 'policies',
  Template: 'templates',
};
