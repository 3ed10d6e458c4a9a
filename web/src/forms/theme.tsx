import { ActionIcon, Button, Fieldset, Group, NumberInput, Stack, Text, TextInput, VisuallyHidden } from '@mantine/core';
import { IconArrowDown, IconArrowUp, IconCopy, IconPlus, IconX } from '@tabler/icons-react';
import type { ThemeProps } from '@rjsf/core/lib/withTheme.js';
// Piece by piece: the packages' own entries lead to a test helper of theirs that needs a validator which makes code.
import FieldErrorTemplate from '@rjsf/mantine/lib/templates/FieldErrorTemplate.js';
import MultiSchemaFieldTemplate from '@rjsf/mantine/lib/templates/MultiSchemaFieldTemplate.js';
import OptionalDataControlsTemplate from '@rjsf/mantine/lib/templates/OptionalDataControlsTemplate.js';
import WrapIfAdditionalTemplate from '@rjsf/mantine/lib/templates/WrapIfAdditionalTemplate.js';
import CheckboxesWidget from '@rjsf/mantine/lib/widgets/CheckboxesWidget.js';
import CheckboxWidget from '@rjsf/mantine/lib/widgets/CheckboxWidget.js';
import PasswordWidget from '@rjsf/mantine/lib/widgets/PasswordWidget.js';
import RadioWidget from '@rjsf/mantine/lib/widgets/RadioWidget.js';
import SelectWidget from '@rjsf/mantine/lib/widgets/SelectWidget.js';
import TextareaWidget from '@rjsf/mantine/lib/widgets/TextareaWidget.js';
import {
  type BaseInputTemplateProps,
  type DescriptionFieldProps,
  getInputProps,
  type ArrayFieldItemTemplateProps,
  type ArrayFieldTemplateProps,
  descriptionId,
  type FieldTemplateProps,
  getTemplate,
  type IconButtonProps,
  type ObjectFieldTemplateProps,
  type RJSFSchema,
  type WidgetProps,
} from '@rjsf/utils';
import type { ComponentType, ReactNode } from 'react';

type Inputs = Record<string, unknown>;
type Widget = ComponentType<WidgetProps<Inputs, RJSFSchema>>;

/** Widgets of the theme that leave the description out get it here. */
function described(widget: unknown, more: object = {}): Widget {
  const Inner = widget as Widget;
  return function Described(props) {
    const description = props.options.description ?? props.schema.description;
    return <Inner {...props} options={{ ...props.options, ...more, ...(description ? { description } : {}) }} />;
  };
}

/** A line of text or a number. */
function BaseInput(props: BaseInputTemplateProps<Inputs, RJSFSchema>) {
  const { id, value, label, schema, options, rawErrors, readonly } = props;
  const { type, min, max, step } = getInputProps(schema, props.type, options, false);
  const shared = {
    id,
    name: id,
    label: props.hideLabel ? undefined : label,
    'aria-label': props.hideLabel ? label : undefined,
    description: options.description ?? schema.description,
    required: props.required ?? false,
    disabled: props.disabled ?? false,
    readOnly: readonly ?? false,
    placeholder: props.placeholder ?? '',
    error: rawErrors && rawErrors.length > 0 ? rawErrors.join('; ') : undefined,
    onBlur: () => props.onBlur(id, value),
    onFocus: () => props.onFocus(id, value),
  };
  if (type === 'number') {
    return (
      <NumberInput
        {...shared}
        value={typeof value === 'number' || typeof value === 'string' ? value : ''}
        onChange={(next) => props.onChange(next === '' ? undefined : next)}
        allowDecimal={schema.type !== 'integer'}
        step={typeof step === 'number' ? step : 1}
        min={typeof min === 'number' ? min : undefined}
        max={typeof max === 'number' ? max : undefined}
        clampBehavior="none"
      />
    );
  }
  return (
    <TextInput
      {...shared}
      type={type}
      value={typeof value === 'string' || typeof value === 'number' ? value : ''}
      onChange={(event) => props.onChange(event.currentTarget.value === '' ? options.emptyValue : event.currentTarget.value)}
      spellCheck={false}
      autoCapitalize="none"
    />
  );
}

/** Descriptions are text, whatever stands in them. */
function Description({ id, description }: DescriptionFieldProps<Inputs, RJSFSchema>) {
  return (
    <Text id={id} size="sm" c="dimmed">
      {description}
    </Text>
  );
}

/** Fields for times as the browser has them; a time with its zone is written out, as the API takes it. */
function native(type: string): Widget {
  return function Native(props) {
    const Input = getTemplate<'BaseInputTemplate', Inputs, RJSFSchema>('BaseInputTemplate', props.registry, props.options);
    return <Input {...props} type={type} />;
  };
}

function Field(props: FieldTemplateProps<Inputs, RJSFSchema>) {
  const Wrap = getTemplate<'WrapIfAdditionalTemplate', Inputs, RJSFSchema>('WrapIfAdditionalTemplate', props.registry);
  const { children, description, errors, help, hidden, ...rest } = props;
  if (hidden) return <div hidden>{children}</div>;
  const compound = props.schema.type === 'object' || props.schema.type === 'array';
  const about = props.rawDescription;
  return (
    <Wrap {...rest}>
      {children}
      {about && !compound && <VisuallyHidden id={descriptionId(props.id)}>{about}</VisuallyHidden>}
      {compound &&
        props.rawErrors?.map((error, n) => (
          <Text key={n} size="sm" c="var(--mantine-color-error)" role="alert">
            {error}
          </Text>
        ))}
      {errors}
      {help}
    </Wrap>
  );
}

function Fields({
  fieldPathId,
  title,
  description,
  children,
  add,
}: {
  fieldPathId: { $id: string; path: unknown[] };
  title?: ReactNode;
  description?: ReactNode;
  children: ReactNode;
  add?: ReactNode;
}) {
  const inner = (
    <Stack gap="sm">
      {description && (
        <Text size="sm" c="dimmed">
          {description}
        </Text>
      )}
      {children}
      {add && <Group justify="flex-start">{add}</Group>}
    </Stack>
  );
  if (fieldPathId.path.length === 0) return inner;
  return (
    <Fieldset legend={title} id={fieldPathId.$id} p="sm">
      {inner}
    </Fieldset>
  );
}

function ObjectField(props: ObjectFieldTemplateProps<Inputs, RJSFSchema>) {
  const { AddButton } = props.registry.templates.ButtonTemplates;
  const open =
    props.schema.additionalProperties !== false &&
    (typeof props.schema.additionalProperties === 'object' || props.schema.properties === undefined);
  const add = open ? (
    <AddButton registry={props.registry} onClick={props.onAddProperty} disabled={props.disabled ?? false} title="Add a field" />
  ) : undefined;
  return (
    <Fields
      fieldPathId={props.fieldPathId}
      title={props.title}
      description={props.fieldPathId.path.length === 0 ? undefined : props.description}
      add={add}
    >
      {props.properties
        .filter((one) => !one.hidden)
        .map((one) => (
          <div key={one.name}>{one.content}</div>
        ))}
    </Fields>
  );
}

function ArrayField(props: ArrayFieldTemplateProps<Inputs, RJSFSchema>) {
  const { AddButton } = props.registry.templates.ButtonTemplates;
  const add = props.canAdd ? (
    <AddButton registry={props.registry} onClick={props.onAddClick} disabled={props.disabled ?? false} title={`Add to ${props.title}`} />
  ) : undefined;
  return (
    <Fields
      fieldPathId={props.fieldPathId}
      title={`${props.title}${props.required ? ' *' : ''}`}
      description={props.schema.description}
      add={add}
    >
      {props.items}
    </Fields>
  );
}

function ArrayItem(props: ArrayFieldItemTemplateProps<Inputs, RJSFSchema>) {
  const Buttons = getTemplate<'ArrayFieldItemButtonsTemplate', Inputs, RJSFSchema>('ArrayFieldItemButtonsTemplate', props.registry);
  return (
    <Group wrap="nowrap" align="flex-end" gap="xs">
      <div style={{ flex: 1 }}>{props.children}</div>
      {props.hasToolbar && (
        <Group gap={2} wrap="nowrap">
          <Buttons {...props.buttonsProps} />
        </Group>
      )}
    </Group>
  );
}

/** An icon to press, large enough for a thumb. */
function pressable(Icon: typeof IconX, label: string): ComponentType<IconButtonProps<Inputs, RJSFSchema>> {
  return function Pressable({ onClick, disabled, id }) {
    return (
      <ActionIcon size={36} variant="default" aria-label={label} title={label} onClick={onClick} disabled={disabled ?? false} id={id}>
        <Icon size={16} aria-hidden />
      </ActionIcon>
    );
  };
}

function AddButton({ onClick, disabled, title, id }: IconButtonProps<Inputs, RJSFSchema>) {
  return (
    <Button variant="default" leftSection={<IconPlus size={16} aria-hidden />} onClick={onClick} disabled={disabled ?? false} id={id}>
      {title ?? 'Add'}
    </Button>
  );
}

/** Forms in Mantine's looks, with descriptions everywhere, thumbs' sizes, and the browser's own date fields. */
export const theme: ThemeProps<Inputs, RJSFSchema> = {
  widgets: {
    CheckboxWidget: CheckboxWidget as Widget,
    CheckboxesWidget: described(CheckboxesWidget),
    RadioWidget: described(RadioWidget),
    // A list that opens by itself would lie over what is said about the field.
    SelectWidget: described(SelectWidget, { openOnFocus: false }),
    PasswordWidget: described(PasswordWidget),
    TextareaWidget: described(TextareaWidget),
    DateWidget: native('date'),
    DateTimeWidget: native('text'),
    TimeWidget: native('text'),
  },
  templates: {
    BaseInputTemplate: BaseInput,
    DescriptionFieldTemplate: Description,
    FieldTemplate: Field,
    FieldErrorTemplate,
    MultiSchemaFieldTemplate,
    OptionalDataControlsTemplate,
    WrapIfAdditionalTemplate,
    ObjectFieldTemplate: ObjectField,
    ArrayFieldTemplate: ArrayField,
    ArrayFieldItemTemplate: ArrayItem,
    ButtonTemplates: {
      AddButton,
      CopyButton: pressable(IconCopy, 'Copy'),
      MoveUpButton: pressable(IconArrowUp, 'Move up'),
      MoveDownButton: pressable(IconArrowDown, 'Move down'),
      RemoveButton: pressable(IconX, 'Remove'),
      ClearButton: pressable(IconX, 'Clear'),
    },
  } as NonNullable<ThemeProps<Inputs, RJSFSchema>['templates']>,
};
