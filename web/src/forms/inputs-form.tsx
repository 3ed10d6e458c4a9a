import withTheme from '@rjsf/core/lib/withTheme.js';
import type { ErrorSchema, RJSFSchema } from '@rjsf/utils';
import { useMemo } from 'react';
import { toPointer } from './pointer';
import { forForm, uiFor } from './inputs';
import { theme } from './theme';
import { validator } from './validator';

type Inputs = Record<string, unknown>;
const Form = withTheme<Inputs, RJSFSchema>(theme);
const SEPARATOR = '_';

/** The pointer of a field by the id rjsf gives it; ids cannot be split where names have the separator, so they are looked up. */
function pointerOf(id: string, data: unknown, schema: RJSFSchema): string {
  const rest = id.replace(/^root_?/, '');
  const names = [...Object.keys(schema.properties ?? {}), ...Object.keys((data as Inputs | undefined) ?? {})].sort(
    (a, b) => b.length - a.length,
  );
  const top = names.find((name) => rest === name || rest.startsWith(name + SEPARATOR));
  if (top === undefined) return '';
  const deeper = rest.slice(top.length + 1);
  return toPointer(deeper === '' ? [top] : [top, ...deeper.split(SEPARATOR)]);
}

/**
 * A form for the inputs of a template. It judges nothing itself: what the server says is shown at the fields. It stands inside
 * of another form.
 */
export function InputsForm(props: {
  schema: RJSFSchema;
  inputs: Inputs;
  errors: ErrorSchema;
  disabled: boolean;
  changed: (inputs: Inputs) => void;
  /** Somebody has been at a field. */
  touched: (pointer: string) => void;
}) {
  const schema = useMemo(() => forForm({ ...props.schema, title: undefined, description: undefined }), [props.schema]);
  const ui = useMemo(() => uiFor(props.schema), [props.schema]);
  return (
    <Form
      tagName="div"
      schema={schema}
      uiSchema={ui}
      validator={validator}
      formData={props.inputs}
      extraErrors={props.errors as ErrorSchema<Inputs>}
      disabled={props.disabled}
      noValidate
      noHtml5Validate
      showErrorList={false}
      onChange={({ formData }) => props.changed(formData ?? {})}
      onBlur={(id) => props.touched(pointerOf(id, props.inputs, props.schema))}
    />
  );
}
