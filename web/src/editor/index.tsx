import { useEffect } from 'react';
import { Loading } from '~/components/loading';
import { ProblemView } from '~/components/problem';
import { api } from '~/api/client';
import { Desk } from './desk';
import { CodeView, fetchEditor } from './on-demand';
import { toText } from './text';
import { type DocumentEditorProps, PLURAL } from './types';

export { DocumentHistory } from './history';
export { apply } from './check';
export { toText, withEnabled } from './text';
export { type Applied, type Document, type DocumentEditorProps, type Kind, PLURAL } from './types';

/**
 * Edits a declared thing as YAML: completes and explains by the schema of its kind, shows what the server finds wrong while
 * one writes, shows what would change before saving, and never overwrites what somebody else saved meanwhile.
 */
export function DocumentEditor(props: DocumentEditorProps) {
  useEffect(fetchEditor, []);
  if (props.name === undefined) return <Desk {...props} document={undefined} />;
  return <Existing {...props} name={props.name} />;
}

function Existing(props: DocumentEditorProps & { name: string }) {
  const { kind, namespace, name, readOnly } = props;
  const { data, error, refetch } = api.useQuery('get', '/api/v1/objects/{kind}/{name}', {
    params: { path: { kind: PLURAL[kind], name }, query: namespace === undefined ? {} : { namespace } },
  });
  if (!data) return error ? <ProblemView error={error} retry={() => void refetch()} /> : <Loading />;
  if (readOnly !== undefined) return <CodeView label={`${kind} ${name}`} text={toText(data)} />;
  return <Desk key={`${kind}/${namespace ?? ''}/${name}`} {...props} document={data} />;
}
