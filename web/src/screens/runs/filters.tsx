import { MultiSelect, Switch } from '@mantine/core';
import { FilterBar, SearchFilter, TextFilter } from '~/components/filters';
import { RUN_PHASES } from './logic/types';

/** What the list of runs is narrowed to; lives in the address. */
export type RunFilters = Partial<Record<'phase' | 'namespace' | 'template' | 'requester' | 'mine' | 'unratified' | 'find', string>>;

const NONE: RunFilters = { phase: '', namespace: '', template: '', requester: '', mine: '', unratified: '', find: '' };

/** The filters of the list of runs. */
export function Filters({ filters, set }: { filters: RunFilters; set: (change: RunFilters) => void }) {
  const phases = (filters.phase ?? '').split(',').filter((phase) => phase !== '');
  const active = (['phase', 'namespace', 'template', 'requester', 'mine', 'unratified'] as const).filter((name) => filters[name]).length;
  return (
    <FilterBar
      active={active + (filters.find ? 1 : 0)}
      clear={() => set(NONE)}
      search={<SearchFilter label="Search" placeholder="Title, reason, id" value={filters.find} change={(find) => set({ find })} />}
    >
      <MultiSelect
        label="Phase"
        placeholder={phases.length === 0 ? 'any' : undefined}
        data={RUN_PHASES}
        value={phases}
        onChange={(chosen) => set({ phase: chosen.join(',') })}
        clearable
        clearButtonProps={{ 'aria-label': 'Any phase' }}
      />
      <TextFilter label="Namespace" placeholder="any" value={filters.namespace} change={(namespace) => set({ namespace })} />
      <TextFilter label="Template" placeholder="any" value={filters.template} change={(template) => set({ template })} />
      <TextFilter
        label="Requester"
        placeholder="any"
        value={filters.requester}
        change={(requester) => set({ requester })}
        disabled={Boolean(filters.mine)}
      />
      <Switch
        label="Only mine"
        checked={Boolean(filters.mine)}
        onChange={(event) => set({ mine: event.currentTarget.checked ? 'yes' : '', requester: '' })}
        style={{ alignSelf: 'end' }}
        styles={{ body: { minHeight: 36, alignItems: 'center' } }}
      />
      <Switch
        label="Not ratified"
        checked={Boolean(filters.unratified)}
        onChange={(event) => set({ unratified: event.currentTarget.checked ? 'true' : '' })}
        style={{ alignSelf: 'end' }}
        styles={{ body: { minHeight: 36, alignItems: 'center' } }}
      />
    </FilterBar>
  );
}
