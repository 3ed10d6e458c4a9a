import { ActionIcon, Badge, Button, TextInput, type TextInputProps } from '@mantine/core';
import { IconAdjustmentsHorizontal, IconSearch, IconX } from '@tabler/icons-react';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { visibleLine } from '~/lib/text';
import classes from './filters.module.css';

export type FilterValues<K extends string> = Partial<Record<K, string>>;

/** The filters of a screen, which live in its address, and how to change some of them. An empty value takes a filter away. */
export function useFilters<K extends string>(): [FilterValues<K>, (change: FilterValues<K>) => void] {
  const found = useSearch({ strict: false }) as Record<string, string | undefined>;
  const navigate = useNavigate();
  const change = (next: FilterValues<K>): void => {
    const search = (before: Record<string, string | undefined>) =>
      Object.fromEntries(
        Object.entries<string | undefined>({ ...before, ...next }).filter(([, value]) => value !== undefined && value !== ''),
      );
    void navigate({ to: '.', search, replace: true, resetScroll: false });
  };
  return [found as FilterValues<K>, change];
}

interface Typed extends Omit<TextInputProps, 'value' | 'onChange'> {
  value: string | undefined;
  change: (value: string) => void;
}

/** A filter that is typed. It counts a moment after the last key, at once on Enter. */
export function TextFilter({ value = '', change, ...props }: Typed) {
  const [text, setText] = useState(value);
  const told = useRef(value);
  // Changed from outside, such as by the way back: what is shown follows.
  useEffect(() => {
    if (value !== told.current) {
      told.current = value;
      setText(value);
    }
  }, [value]);
  const tell = (next: string): void => {
    if (next === told.current) return;
    told.current = next;
    change(next);
  };
  const latest = useRef(tell);
  useEffect(() => {
    latest.current = tell;
  });
  useEffect(() => {
    const timer = window.setTimeout(() => latest.current(text.trim()), 350);
    return () => window.clearTimeout(timer);
  }, [text]);
  const clear = () => {
    setText('');
    tell('');
  };
  return (
    <TextInput
      spellCheck={false}
      autoCapitalize="none"
      autoComplete="off"
      {...props}
      value={text}
      onChange={(event) => setText(event.currentTarget.value)}
      onBlur={() => tell(text.trim())}
      onKeyDown={(event) => event.key === 'Enter' && tell(text.trim())}
      rightSection={
        text !== '' && (
          <ActionIcon
            variant="subtle"
            color="gray"
            onClick={clear}
            aria-label={`Clear ${typeof props.label === 'string' ? props.label : (props['aria-label'] ?? 'this')}`}
          >
            <IconX size={16} aria-hidden />
          </ActionIcon>
        )
      }
    />
  );
}

/** The search of a screen: `/` goes there. */
export function SearchFilter(props: Typed) {
  return <TextFilter type="text" inputMode="search" leftSection={<IconSearch size={16} aria-hidden />} data-search {...props} />;
}

const two = (n: number): string => String(n).padStart(2, '0');
/** A time of the API as the browser's own field takes it: local, to the minute. */
export const toField = (time: string | undefined): string => {
  const date = new Date(time ?? '');
  if (Number.isNaN(date.getTime())) return '';
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}`;
};
/** And back; empty when nothing, or half a time, is there. */
export const fromField = (text: string): string => {
  const date = new Date(text);
  return text === '' || Number.isNaN(date.getTime()) ? '' : date.toISOString();
};

/** A filter by time: the browser's own field, local time. `from` is where the time it ends begins. */
export function TimeFilter(props: {
  label: string;
  value: string | undefined;
  from?: string | undefined;
  change: (value: string) => void;
}) {
  const { label, value = '', from = '', change } = props;
  // The browser's field shows nothing of what is no time: an address may hold that.
  const unreadable = value !== '' && toField(value) === '';
  return (
    <TextInput
      type="datetime-local"
      className={classes.time}
      label={label}
      value={toField(value)}
      onChange={(event) => change(fromField(event.currentTarget.value))}
      error={
        unreadable ? `“${visibleLine(value)}” is not a time` : new Date(value) < new Date(from) ? 'This is before it begins' : undefined
      }
    />
  );
}

/** The filters of a screen: the search always, the others behind a button on a phone. */
export function FilterBar(props: { search?: ReactNode; children?: ReactNode; active: number; clear: () => void }) {
  const [open, setOpen] = useState(false);
  return (
    <search className={classes.bar} aria-label="Filters">
      <div className={classes.first}>
        {props.search && <div className={classes.search}>{props.search}</div>}
        {props.children && (
          <Button
            hiddenFrom="sm"
            variant="default"
            leftSection={<IconAdjustmentsHorizontal size={16} aria-hidden />}
            rightSection={
              props.active > 0 ? (
                <Badge size="sm" circle>
                  {props.active}
                </Badge>
              ) : undefined
            }
            aria-expanded={open}
            onClick={() => setOpen(!open)}
          >
            Filters
          </Button>
        )}
        {props.active > 0 && (
          <Button variant="default" onClick={props.clear}>
            Clear
          </Button>
        )}
      </div>
      {props.children && (
        <div className={classes.more} data-open={open || undefined}>
          {props.children}
        </div>
      )}
    </search>
  );
}
