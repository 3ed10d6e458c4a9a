import { Button, Group, Stack, Text } from '@mantine/core';
import { IconChevronRight } from '@tabler/icons-react';
import { useId, useState } from 'react';
import { Command } from '~/components/command';
import { AnchorLink, ButtonLink } from '~/components/links';
import { Time } from '~/components/time';
import type { SynodEvent } from '~/lib/live';
import { visible, visibleJson, visibleLine } from '~/lib/text';
import { flat } from '../nodes/fits';
import classes from './events.module.css';
import { placeOf } from './subject';

/** An event as one line that opens to everything about it. */
export function EventItem({ event, fresh, only }: { event: SynodEvent; fresh: boolean; only: (filter: Record<string, string>) => void }) {
  const [open, setOpen] = useState(false);
  const id = useId();
  return (
    <li className={classes.item} data-fresh={fresh || undefined}>
      <button
        type="button"
        className={classes.line}
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        onClick={() => setOpen(!open)}
      >
        <IconChevronRight size={16} aria-hidden className={classes.chevron} />
        <span className={classes.quiet}>
          <Time at={event.time} />
        </span>
        <Text span size="sm" fw={600}>
          {event.type.replace(/^synod\./, '')}
        </Text>
        <span>{visibleLine(event.subject)}</span>
        <span className={classes.quiet}>
          {visibleLine(event.actor)}
          {event.namespace ? ` in ${event.namespace}` : ''}
        </span>
      </button>
      {open && (
        <div id={id}>
          <Detail event={event} only={only} />
        </div>
      )}
    </li>
  );
}

function Detail({ event, only }: { event: SynodEvent; only: (filter: Record<string, string>) => void }) {
  const [raw, setRaw] = useState(false);
  const place = placeOf(event.subject);
  const pairs = flat(event.data);
  const filters: [string, Record<string, string>][] = [
    ['Same type', { type: event.type }],
    ['Same subject', { subject: event.subject }],
    ['Same actor', { actor: event.actor }],
  ];
  return (
    <Stack gap="xs" className={classes.detail}>
      <dl className={classes.facts}>
        <div>
          <dt>Subject</dt>
          <dd>
            {place ? (
              <AnchorLink to={place.to} search={place.search ?? {}} size="sm">
                {visibleLine(event.subject)}
              </AnchorLink>
            ) : (
              visibleLine(event.subject)
            )}
          </dd>
        </div>
        {event.run && (
          <div>
            <dt>Run</dt>
            <dd>
              <AnchorLink to="/runs/$id" params={{ id: event.run }} size="sm">
                {event.run}
              </AnchorLink>
            </dd>
          </div>
        )}
        <div>
          <dt>Actor</dt>
          <dd>{visibleLine(event.actor)}</dd>
        </div>
        <div>
          <dt>Position</dt>
          <dd>{event.position}</dd>
        </div>
        {pairs.map(([path, value]) => (
          <div key={path}>
            <dt>{visibleLine(path)}</dt>
            <dd>{visible(value)}</dd>
          </div>
        ))}
      </dl>
      <Group gap="xs">
        <ButtonLink to="/audit" search={{ position: String(event.position) }} variant="default">
          Prove it
        </ButtonLink>
        {filters.map(([label, filter]) => (
          <Button key={label} variant="default" px="xs" onClick={() => only(filter)}>
            {label}
          </Button>
        ))}
        <Button variant="default" px="xs" aria-expanded={raw} onClick={() => setRaw(!raw)}>
          {raw ? 'Hide the JSON' : 'Show the JSON'}
        </Button>
      </Group>
      {raw && <Command text={visibleJson(event)} label="Copy the event" />}
    </Stack>
  );
}
