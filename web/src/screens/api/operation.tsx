import { Anchor, Badge, Card, Group, Stack, Text, Title } from '@mantine/core';
import { IconArrowLeft } from '@tabler/icons-react';
import { type ApiDocument } from '~/api/document';
import { Ticked } from '~/components/ticked';
import classes from './api.module.css';
import { kindOf, type Listed } from './operations';
import { SchemaView } from './schema';
import { Try } from './try';

/** One operation: what it takes, what it answers, and a place to try it. */
export function OperationView({ listed, document, back }: { listed: Listed; document: ApiDocument; back: () => void }) {
  const { operation, method, path } = listed;
  const parameters = operation.parameters ?? [];
  const bodies = Object.entries(operation.requestBody?.content ?? {});
  const open = operation.security?.every((one) => Object.keys(one).length === 0) ?? false;
  return (
    <Stack component="article" aria-labelledby="operation">
      <Anchor component="button" type="button" onClick={back} hiddenFrom="md" size="sm" ta="left" mih={36}>
        <IconArrowLeft size={14} aria-hidden /> All operations
      </Anchor>
      <div>
        <Title order={2} size="h4" id="operation">
          <Ticked text={operation.summary ?? listed.id} />
        </Title>
        <Group gap="xs">
          <span className={classes.method}>{method.toUpperCase()}</span>
          <span className={classes.path}>{path}</span>
          {open && (
            <Badge variant="default" tt="none" radius="sm">
              without signing in
            </Badge>
          )}
        </Group>
        {operation.description && (
          <Text size="sm" mt="xs">
            <Ticked text={operation.description} />
          </Text>
        )}
      </div>
      <Try listed={listed} document={document} />
      {parameters.length > 0 && (
        <Card component="section" aria-label="Parameters">
          <Title order={3} size="h5" mb={4}>
            Parameters
          </Title>
          <ul className={classes.fields}>
            {parameters.map((one) => (
              <li key={`${one.in} ${one.name}`}>
                <code>{one.name}</code>{' '}
                <span className={classes.kind}>
                  {one.in}, {kindOf(one.schema ?? {}, document)}
                  {one.required ? ', required' : ''}
                </span>
                {one.description && (
                  <Text size="sm" c="dimmed">
                    <Ticked text={one.description} />
                  </Text>
                )}
              </li>
            ))}
          </ul>
        </Card>
      )}
      {bodies.map(([type, { schema }]) => (
        <Card key={type} component="section" aria-label="Body">
          <Title order={3} size="h5" mb={4}>
            Body
          </Title>
          <Text size="sm">{type}</Text>
          {schema && <SchemaView schema={schema} document={document} />}
        </Card>
      ))}
      <Card component="section" aria-label="Answers">
        <Title order={3} size="h5" mb={4}>
          Answers
        </Title>
        <Stack gap="sm">
          {Object.entries(operation.responses).map(([status, answer]) => (
            <div key={status}>
              <Text fw={600} size="sm">
                {status === 'default' ? 'Otherwise' : status}: <Ticked text={answer.description ?? ''} />
              </Text>
              {Object.entries(answer.content ?? {}).map(([type, { schema }]) => (
                <div key={type}>
                  <Text size="sm">{type}</Text>
                  {schema && <SchemaView schema={schema} document={document} />}
                </div>
              ))}
            </div>
          ))}
        </Stack>
      </Card>
    </Stack>
  );
}
