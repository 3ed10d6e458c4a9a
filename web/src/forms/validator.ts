import { type Schema, Validator } from '@cfworker/json-schema';
import {
  createErrorHandler,
  type CustomValidator,
  type ErrorTransformer,
  type FormContextType,
  ROOT_SCHEMA_PREFIX,
  type RJSFSchema,
  type RJSFValidationError,
  toErrorSchema,
  unwrapErrorHandler,
  type UiSchema,
  validationDataMerge,
  type ValidationData,
  type ValidatorType,
  withIdRefPrefix,
} from '@rjsf/utils';
import { segments } from './pointer';

/** Something that does not fit a schema. */
export interface Complaint {
  pointer: string;
  message: string;
  keyword: string;
}

/** Keywords that only repeat what is said about something deeper. */
const OUTER = new Set([
  'properties',
  'items',
  'prefixItems',
  '$ref',
  'allOf',
  'anyOf',
  'oneOf',
  'if',
  'then',
  'else',
  'additionalProperties',
  'dependentSchemas',
  'patternProperties',
  'false',
]);

/** Everything that does not fit, at its place; no code is made of the schema, which the page's policy would refuse. */
export function complaints(schema: object, data: unknown): Complaint[] {
  // The validator writes its marks into what it is given.
  const { valid, errors } = new Validator(structuredClone(schema) as Schema, '2020-12', false).validate(data);
  if (valid) return [];
  const told = errors.map(({ keyword, instanceLocation, error }) => ({
    keyword,
    pointer: decodeURI(instanceLocation.replace(/^#/, '')),
    message: error,
  }));
  const leaves = told.filter((one) => !OUTER.has(one.keyword));
  const shown = leaves.length > 0 ? leaves : told;
  return shown.filter((one, n) => shown.findIndex((other) => other.pointer === one.pointer && other.message === one.message) === n);
}

/** What rjsf asks of a validator, answered by interpreting the schema. */
class InterpretingValidator<T, F extends FormContextType> implements ValidatorType<T, RJSFSchema, F> {
  private known = new Map<string, boolean>();

  isValid(schema: RJSFSchema, formData: T | undefined, rootSchema: RJSFSchema): boolean {
    // rjsf asks the same for every drawing.
    const asked = JSON.stringify([schema, formData, rootSchema]);
    const before = this.known.get(asked);
    if (before !== undefined) return before;
    if (this.known.size > 500) this.known.clear();
    const answer = this.fits(schema, formData, rootSchema);
    this.known.set(asked, answer);
    return answer;
  }

  private fits(schema: RJSFSchema, formData: T | undefined, rootSchema: RJSFSchema): boolean {
    try {
      const validator = new Validator(withIdRefPrefix(structuredClone(schema)) as Schema, '2020-12');
      validator.addSchema(structuredClone(rootSchema) as Schema, ROOT_SCHEMA_PREFIX);
      return validator.validate(formData ?? null).valid;
    } catch {
      return false;
    }
  }

  rawValidation<Result>(schema: RJSFSchema, formData?: T): { errors?: Result[]; validationError?: Error } {
    try {
      return { errors: complaints(schema, formData ?? null) as Result[] };
    } catch (cause) {
      return { validationError: cause instanceof Error ? cause : new Error(String(cause)) };
    }
  }

  validateFormData(
    formData: T | undefined,
    schema: RJSFSchema,
    customValidate?: CustomValidator<T, RJSFSchema, F>,
    transformErrors?: ErrorTransformer<T, RJSFSchema, F>,
    uiSchema?: UiSchema<T, RJSFSchema, F>,
  ): ValidationData<T> {
    const { errors: found = [], validationError } = this.rawValidation<Complaint>(schema, formData);
    let errors: RJSFValidationError[] = found.map(({ pointer, message, keyword }) => ({
      name: keyword,
      message,
      property: segments(pointer)
        .map((part) => `.${part}`)
        .join(''),
      stack: `${pointer} ${message}`.trim(),
    }));
    if (validationError) errors.push({ stack: validationError.message });
    if (transformErrors) errors = transformErrors(errors, uiSchema);
    const errorSchema = toErrorSchema<T>(errors);
    if (!customValidate) return { errors, errorSchema };
    const handled = customValidate(formData, createErrorHandler<T>(formData as T), uiSchema);
    return validationDataMerge<T>({ errors, errorSchema }, unwrapErrorHandler<T>(handled));
  }

  reset(): void {
    this.known.clear();
  }
}

/** The console's validator of forms. */
export const validator: ValidatorType<Record<string, unknown>, RJSFSchema> = new InterpretingValidator();
