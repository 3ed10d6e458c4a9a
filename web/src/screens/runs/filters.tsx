import { Button, MultiSelect, Switch, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconFilterOff } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import classes from './list.module.css';
import { RUN_PHASES } from './logic/types';

/** What the list of runs is narrowed to; lives in the address. */
export type RunFilters = Partial<Record<'phase' | 'namespace' | 'template' | 'requester' | 'mine' | 'find', string>>;

/** The filters of the list of runs. */
export function Filters({ filters, set }: { filters: RunFilters; set: (change: RunFilters) => void }) {
  const phases = (filters.phase ?? '').split(',').filter((phase) => phase !== '');
  const any = Object.values(filters).some((value) => value !== undefined);
  return (
    <search>
      <div className={classes.filters}>
        <Field label="Search" name="find" description="title, reason, id" filters={filters} set={set} search />
        <MultiSelect
          label="Phase"
          placeholder={phases.length === 0 ? 'any' : undefined}
          data={RUN_PHASES}
          value={phases}
          onChange={(chosen) => set({ phase: chosen.length === 0 ? undefined : chosen.join(',') })}
          clearable
          clearButtonProps={{ 'aria-label': 'Any phase' }}
        />
        <Field label="Namespace" name="namespace" filters={filters} set={set} />
        <Field label="Template" name="template" filters={filters} set={set} />
        <Field label="Requester" name="requester" filters={filters} set={set} disabled={filters.mine !== undefined} />
        <Switch label="Only mine" checked={filters.mine !== undefined} onChange={(event) => set({ mine: event.currentTarget.checked ? 'yes' : undefined, requester: undefined })} styles={{ body: { minHeight: 36, alignItems: 'center' } }} />
        {any && (
          <Button
            variant="default"
            leftSection={<IconFilterOff size={16} aria-hidden />}
            onClick={() => set({ phase: undefined, namespace: undefined, template: undefined, requester: undefined, mine: undefined, find: undefined })}
          >
            Clear
          </Button>
        )}
      </div>
    </search>
  );
}

interface FieldProps {
  label: string;
  name: keyof RunFilters;
  description?: string;
  filters: RunFilters;
  set: (change: RunFilters) => void;
  search?: boolean;
  disabled?: boolean;
}

/** A filter to write into; the address follows when the writing pauses. */
function Field({ label, name, description, filters, set, search = false, disabled = false }: FieldProps) {
  const known = filters[name] ?? '';
  const [text, setText] = useState(known);
  useEffect(() => setText(known), [known]);
  const tell = useDebouncedCallback((value: string) => set({ [name]: value.trim() === '' ? undefined : value.trim() }), 300);
  return (
    <TextInput
      label={label}
      placeholder={description ?? 'any'}
      value={text}
      disabled={disabled}
      {...(search && { 'data-search': true })}
      onChange={(event) => {
        setText(event.currentTarget.value);
        tell(event.currentTarget.value);
      }}
    />
  );
}
