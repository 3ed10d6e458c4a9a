import { Badge, Button, Card, Group, SimpleGrid, Stack, Text, Textarea, TextInput, Title } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconPlayerStop, IconSend } from '@tabler/icons-react';
import { useEffect, useRef, useState } from 'react';
import { type ApiDocument, call, type Parameter } from '~/api/document';
import { Command } from '~/components/command';
import { Confirm } from '~/components/confirm';
import { ProblemView } from '~/components/problem';
import { base } from '~/lib/base';
import classes from './api.module.css';
import { read, readable, type Shown } from './answer';
import { address, curl, type Filled } from './curl';
import { type Listed, starter } from './operations';

const JSON_TYPE = 'application/json';

/** Fills an operation in and calls it as the one who is signed in. What changes something asks before. */
export function Try({ listed, document }: { listed: Listed; document: ApiDocument }) {
  const { method, path, operation } = listed;
  const schema = operation.requestBody?.content[JSON_TYPE]?.schema;
  const parameters = (operation.parameters ?? []).filter((one) => one.in !== 'cookie');
  const [values, setValues] = useState<Record<string, string>>({});
  const [body, setBody] = useState(() => (schema ? JSON.stringify(starter(schema, document), null, 2) : ''));
  const [tried, setTried] = useState(false);
  const [asking, { open: ask, close }] = useDisclosure(false);
  const sent = useCall();
  const of = (place: Parameter['in']) =>
    Object.fromEntries(parameters.filter((one) => one.in === place).map((one) => [one.name, values[`${place} ${one.name}`] ?? '']));
  const filled: Filled = {
    method,
    path,
    pathParams: of('path'),
    query: of('query'),
    header: of('header'),
    body: schema ? body : undefined,
  };
  const parsed = schema ? parse(body) : { value: undefined, wrong: undefined };
  const missing = parameters.filter((one) => one.required && (values[`${one.in} ${one.name}`] ?? '') === '');
  const changes = method !== 'get';
  const send = () => sent.send(filled, parsed.value);
  const press = () => {
    setTried(true);
    if (missing.length > 0 || parsed.wrong !== undefined) return;
    if (changes) ask();
    else void send();
  };
  return (
    <Card component="section" aria-label="Try it">
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          press();
        }}
      >
        <Stack gap="sm">
          <Title order={3} size="h5">
            Try it
          </Title>
          <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
            {parameters.map((one) => {
              const key = `${one.in} ${one.name}`;
              return (
                <TextInput
                  key={key}
                  label={one.name}
                  required={one.required ?? false}
                  description={one.description}
                  value={values[key] ?? ''}
                  error={tried && missing.includes(one) ? 'It is required' : undefined}
                  onChange={(event) => setValues({ ...values, [key]: event.currentTarget.value })}
                  spellCheck={false}
                  autoCapitalize="none"
                  autoComplete="off"
                />
              );
            })}
          </SimpleGrid>
          {schema && (
            <Textarea
              label="Body"
              value={body}
              onChange={(event) => setBody(event.currentTarget.value)}
              autosize
              minRows={3}
              maxRows={16}
              error={parsed.wrong}
              spellCheck={false}
              styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 13 } }}
            />
          )}
          <Group gap="xs">
            <Button type="submit" leftSection={<IconSend size={16} aria-hidden />} loading={sent.busy}>
              {changes ? 'Send…' : 'Send'}
            </Button>
            {sent.busy && (
              <Button variant="default" leftSection={<IconPlayerStop size={16} aria-hidden />} onClick={sent.stop}>
                Stop
              </Button>
            )}
          </Group>
        </Stack>
      </form>
      {sent.error !== undefined && <ProblemView error={sent.error} />}
      {sent.shown && <Answer shown={sent.shown} />}
      <Text size="sm" fw={600} mt="md" mb={4}>
        The same with an API key
      </Text>
      <Command text={curl(window.location.origin + base.replace(/\/$/, ''), filled)} />
      <Confirm
        opened={asking}
        close={close}
        title={operation.summary ?? listed.id}
        what={`Send ${method.toUpperCase()}`}
        color={method === 'delete' ? 'red' : 'indigo'}
        act={() => {
          void send();
          return Promise.resolve();
        }}
      >
        <Text size="sm">This is not a rehearsal: it is done as you, on this installation.</Text>
        <Command
          text={`${method.toUpperCase()} ${address('', filled)}${filled.body === undefined ? '' : `\n\n${filled.body}`}`}
          label="Copy the request"
        />
      </Confirm>
    </Card>
  );
}

function parse(text: string): { value: unknown; wrong?: string | undefined } {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { value: undefined, wrong: `This is not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** One call at a time, with its answer; it is stopped when the screen is left. */
function useCall() {
  const [busy, setBusy] = useState(false);
  const [shown, setShown] = useState<Shown>();
  const [error, setError] = useState<unknown>();
  const abort = useRef<AbortController>(undefined);
  useEffect(() => () => abort.current?.abort(), []);
  const send = async ({ method, path, pathParams, query, header }: Filled, body: unknown) => {
    const own = new AbortController();
    abort.current = own;
    setBusy(true);
    setError(undefined);
    setShown(undefined);
    const began = performance.now();
    const given = (all: Record<string, string>) => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''));
    try {
      const response = await call(method, path, {
        params: { path: pathParams, query: given(query), header: given(header) },
        body,
        signal: own.signal,
      });
      const type = response.headers.get('content-type') ?? '';
      const show = (text: string, cut: boolean) =>
        setShown({
          status: response.status,
          words: response.statusText,
          headers: [...response.headers],
          body: readable(text, type),
          cut,
          tookMs: Math.round(performance.now() - began),
        });
      show('', false);
      const { text, cut } = await read(response, own.signal, (part) => show(part, false));
      show(text, cut);
    } catch (cause) {
      if (!own.signal.aborted) setError(cause);
    } finally {
      setBusy(false);
    }
  };
  return { busy, shown, error, send, stop: () => abort.current?.abort() };
}

function Answer({ shown }: { shown: Shown }) {
  return (
    <Stack gap="xs" mt="md" component="section" aria-label="Answer">
      <Group gap="xs" role="status">
        <Badge
          color={shown.status < 300 ? 'teal' : 'red'}
          variant="light"
          radius="sm"
          tt="none"
          styles={{ label: { color: 'var(--mantine-color-text)' } }}
        >
          {shown.status} {shown.words}
        </Badge>
        <Text size="sm" c="dimmed">
          after {shown.tookMs} ms
        </Text>
      </Group>
      <details>
        <summary className={classes.summary}>Headers</summary>
        <Command text={shown.headers.map(([name, value]) => `${name}: ${value}`).join('\n')} label="Copy the headers" />
      </details>
      {shown.body !== '' ? <Command text={shown.body} label="Copy the answer" /> : <Text size="sm">The body is empty.</Text>}
      {shown.cut && (
        <Text size="sm" c="dimmed">
          Cut here: there is more.
        </Text>
      )}
    </Stack>
  );
}
