import { Badge, Text, UnstyledButton } from '@mantine/core';
import { IconChevronRight } from '@tabler/icons-react';
import { useState } from 'react';
import type { ApiDocument, JsonSchema } from '~/api/document';
import { Ticked } from '~/components/ticked';
import classes from './api.module.css';
import { aboutOf, kindOf, opens, parts, resolved } from './operations';

/** What a schema holds, field by field; what is inside opens on demand, so that schemas that come back to themselves end. */
export function SchemaView({ schema, document }: { schema: JsonSchema; document: ApiDocument }) {
  const { schema: one } = resolved(schema, document);
  return (
    <div>
      <Text size="sm" c="dimmed">
        {kindOf(schema, document)}
        {one.description && (
          <>
            : <Ticked text={one.description} />
          </>
        )}
      </Text>
      <Inside schema={schema} document={document} />
    </div>
  );
}

function Inside({ schema, document }: { schema: JsonSchema; document: ApiDocument }) {
  const { schema: one } = resolved(schema, document);
  const required = new Set(one.required ?? []);
  return (
    <>
      {one.enum && <Text size="sm">One of {one.enum.map((value) => JSON.stringify(value)).join(', ')}</Text>}
      {one.pattern && (
        <Text size="sm" c="dimmed">
          Written as <code>{one.pattern}</code>
        </Text>
      )}
      {one.properties && (
        <ul className={classes.fields}>
          {Object.entries(one.properties).map(([name, field]) => (
            <Field key={name} name={name} schema={field} required={required.has(name)} document={document} />
          ))}
        </ul>
      )}
      {parts(one).map((part, n) => (
        <Inside key={n} schema={part} document={document} />
      ))}
    </>
  );
}

function Field({ name, schema, required, document }: { name: string; schema: JsonSchema; required: boolean; document: ApiDocument }) {
  const [open, setOpen] = useState(false);
  const about = aboutOf(schema, document);
  const head = (
    <>
      <code>{name}</code> <span className={classes.kind}>{kindOf(schema, document)}</span>{' '}
      {required && (
        <Badge size="sm" variant="default" tt="none">
          required
        </Badge>
      )}
    </>
  );
  return (
    <li>
      {opens(schema, document) ? (
        <UnstyledButton className={classes.fold} aria-expanded={open} onClick={() => setOpen(!open)}>
          <IconChevronRight size={14} aria-hidden /> {head}
        </UnstyledButton>
      ) : (
        <div className={classes.flat}>{head}</div>
      )}
      {about && (
        <Text size="sm" c="dimmed" className={classes.about}>
          {about}
        </Text>
      )}
      {open && <Inside schema={schema} document={document} />}
    </li>
  );
}
