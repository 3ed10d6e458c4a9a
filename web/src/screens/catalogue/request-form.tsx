import { Alert, Box, Button, Group, Stack, Text, Textarea, TextInput, Title } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useMemo, useRef, useState } from 'react';
import { client, unwrap } from '~/api/client';
import { invalidate } from '~/api/query';
import { fromField } from '~/components/filters';
import { ProblemView } from '~/components/problem';
import { InputsForm } from '~/forms/inputs-form';
import { prefilled, secretNames, tidy } from '~/forms/inputs';
import { LeaveGuard } from '~/forms/leave';
import { sentence, toErrors } from '~/forms/pointer';
import { type RunRequest, usePlan } from '~/forms/request';
import { keepRequest, keptRequest } from '~/forms/request-draft';
import { useMe } from '~/session/session';
import { BreakGlass, opened, type Rule, useBreakGlass } from './break-glass';
import classes from './catalogue.module.css';
import { NodePicker } from './node-picker';
import { ManifestView, Outlook } from './outlook';
import type { Template } from './words';

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
/** Problems whose code tells that they are about the nodes, or the time, without naming a place. */
const NODES = new Set(['SYN-1003', 'SYN-1004', 'SYN-1005']);
const TIME = 'SYN-1007';

/** The form of a request, what it would do beside it, and the look over everything before it is made. */
export function RequestForm(props: {
  template: Template;
  prefill: Record<string, string | undefined>;
  /** Whether the caller may ask in the ordinary way; if not, they may start alone by one of the rules. */
  mayAsk: boolean;
  rules: readonly Rule[];
}) {
  const { template, prefill, mayAsk, rules } = props;
  const namespace = template.metadata.namespace ?? '';
  const schema = useMemo(() => template.spec.inputs ?? { type: 'object' as const }, [template.spec.inputs]);
  const navigate = useNavigate();
  const { user } = useMe();
  const place = `${namespace}/${template.metadata.name}`;
  const [given] = useState(() => prefilled(schema, prefill['inputs']));
  // What a link fills in goes before what was left here.
  const [before, setBefore] = useState(() =>
    (prefill['inputs'] ?? prefill['target'] ?? prefill['reason']) ? undefined : keptRequest(user, place, schema),
  );
  const [inputs, setInputs] = useState<Record<string, unknown>>(before?.inputs ?? given.inputs);
  const [target, setTarget] = useState(before?.target ?? prefill['target'] ?? '');
  const [reason, setReason] = useState(before?.reason ?? prefill['reason'] ?? '');
  const [when, setWhen] = useState(before?.when ?? '');
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set());
  const [everything, setEverything] = useState(false);
  const [reviewing, setReviewing] = useState(false);
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<unknown>();
  const changed = useRef(false);
  // A link may have carried a secret: it does not stay in the address.
  const linked = prefill['inputs'] !== undefined;
  useEffect(() => {
    if (linked) void navigate({ to: '.', search: {}, replace: true });
  }, [linked, navigate]);
  useEffect(() => {
    if (changed.current) keepRequest(user, place, schema, { inputs, target, reason, when });
  }, [user, place, schema, inputs, target, reason, when]);
  const startAnew = () => {
    keepRequest(user, place, schema, undefined);
    changed.current = false;
    setBefore(undefined);
    setInputs({});
    setTarget('');
    setReason('');
    setWhen('');
  };
  // The same key for the same request, so that sending it twice makes one run.
  const sent = useRef<{ of: string; key: string }>(undefined);

  const request: RunRequest = {
    namespace,
    template: template.metadata.name,
    inputs: tidy(inputs) as RunRequest['inputs'],
    target: target.trim(),
    reason,
  };
  const notBefore = fromField(when);
  if (notBefore !== '') request.notBefore = notBefore;
  if (!mayAsk) request.breakGlass = '';
  const { answer, fresh, ask } = usePlan(request);
  const plan = fresh ? answer?.plan : undefined;
  const error = answer?.error;
  const probed = useBreakGlass(rules, plan && mayAsk ? request : undefined);
  const alone = mayAsk || !plan ? probed : opened(rules, plan);

  const problems = error?.problem.problems ?? [];
  const shows = (pointer: string) => everything || touched.has(pointer) || [...touched].some((one) => pointer.startsWith(`${one}/`));
  const errors = useMemo(() => toErrors(problems, '/inputs', shows), [error, touched, everything]);
  const targetError = problems.find((one) => one.pointer === '/target');
  const aboutNodes = error && NODES.has(error.code) ? (targetError ? sentence(targetError) : error.problem.detail) : undefined;
  const reasonError = problems.find((one) => one.pointer === '/reason');
  const aboutTime = error?.code === TIME ? error.problem.detail : undefined;
  // What has a field of its own is told there, and only there.
  const elsewhere =
    error !== undefined && aboutNodes === undefined && aboutTime === undefined && !(error.code === 'SYN-1002' && problems.length > 0);

  const touch = (pointer: string) => setTouched((before) => (before.has(pointer) ? before : new Set(before).add(pointer)));
  const edit = (act: () => void) => {
    changed.current = true;
    setFailed(undefined);
    act();
  };
  const review = async () => {
    setBusy(true);
    setEverything(true);
    const next = await ask();
    setBusy(false);
    if (next?.plan) {
      setReviewing(true);
      window.scrollTo({ top: 0 });
    } else window.setTimeout(() => document.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus(), 50);
  };
  const create = async (breakGlass?: string) => {
    const body: RunRequest = { ...request, ...(breakGlass === undefined ? {} : { breakGlass }) };
    const of = JSON.stringify(body);
    if (sent.current?.of !== of) sent.current = { of, key: crypto.randomUUID() };
    const run = await unwrap(client.POST('/api/v1/runs', { body, params: { header: { 'Idempotency-Key': sent.current.key } } }));
    changed.current = false;
    keepRequest(user, place, schema, undefined);
    invalidate('/api/v1/runs');
    await navigate({ to: '/runs/$id', params: { id: run.id }, search: {} });
  };
  const submit = async () => {
    setBusy(true);
    setFailed(undefined);
    try {
      await create();
    } catch (cause) {
      setFailed(cause);
    } finally {
      setBusy(false);
    }
  };

  const secrets = secretNames(schema);
  return (
    <>
      <LeaveGuard
        dirty={() => changed.current}
        what="What you filled in is not requested yet. This tab keeps it, but for secrets, until you come back or close it."
      />
      {reviewing && answer?.plan ? (
        <Stack>
          <Title order={2} size="h4">
            Look it over
          </Title>
          <div className={classes.layout}>
            <ManifestView plan={answer.plan} />
            <Outlook plan={answer.plan} open={['nodes', 'approvers', 'steps']} />
          </div>
          {!fresh && error && <ProblemView error={error} />}
          {failed !== undefined && <ProblemView error={failed} />}
          <Group justify="space-between" className={classes.bar}>
            <Button variant="default" onClick={() => setReviewing(false)}>
              Change something
            </Button>
            {mayAsk && (
              <Button onClick={() => void submit()} loading={busy}>
                Request on {answer.plan.nodes.length} {answer.plan.nodes.length === 1 ? 'node' : 'nodes'}
              </Button>
            )}
          </Group>
          {alone && <BreakGlass open={alone} reason={reason} start={() => create(alone.plan.manifest.breakGlass ?? '')} />}
        </Stack>
      ) : (
        <div className={classes.layout}>
          <form
            noValidate
            onSubmit={(event) => {
              event.preventDefault();
              void review();
            }}
          >
            <Stack>
              {before !== undefined && (
                <Alert p="xs" role="status" styles={{ message: { color: 'var(--mantine-color-text)' } }}>
                  <Group justify="space-between" gap="xs">
                    <Text size="sm">What you filled in before is back{secrets.length > 0 && ', but for secrets'}.</Text>
                    <Button size="xs" variant="default" onClick={startAnew}>
                      Start anew
                    </Button>
                  </Group>
                </Alert>
              )}
              {given.dropped.length > 0 && (
                <Alert color="yellow" p="xs" styles={{ message: { color: 'var(--mantine-color-text)' } }}>
                  Left out of what the link filled in: {given.dropped.join(', ')}. Secrets are never taken from a link.
                </Alert>
              )}
              <InputsForm
                schema={schema}
                inputs={inputs}
                errors={errors}
                disabled={busy}
                changed={(next) => edit(() => setInputs(next))}
                touched={touch}
              />
              {secrets.length > 0 && (
                <Text size="xs" c="dimmed">
                  {secrets.join(', ')}: sealed for each node when you request it. Nobody can read it afterwards, and it is kept nowhere
                  here.
                </Text>
              )}
              <NodePicker
                target={target}
                changed={(next) => edit(() => setTarget(next))}
                touched={() => touch('/target')}
                targets={template.spec.targets}
                error={fresh && (target !== '' || everything || touched.has('/target')) ? aboutNodes : undefined}
                count={plan?.nodes.length}
              />
              <Textarea
                label="Why"
                description="For those who decide, and for the record."
                value={reason}
                onChange={(event) => {
                  const { value } = event.currentTarget;
                  edit(() => setReason(value));
                }}
                autosize
                minRows={2}
                maxRows={8}
                error={reasonError && sentence(reasonError)}
              />
              <TextInput
                type="datetime-local"
                label="Not before"
                description={`Optional. Your time, ${zone}.`}
                value={when}
                onChange={(event) => {
                  const { value } = event.currentTarget;
                  edit(() => setWhen(value));
                }}
                error={aboutTime}
                maw={280}
              />
              {elsewhere && <ProblemView error={error} retry={() => void ask()} />}
              <Group justify="flex-end" className={classes.bar}>
                <Button type="submit" loading={busy}>
                  Review
                </Button>
              </Group>
            </Stack>
          </form>
          <Box component="aside" aria-label="What would happen" className={classes.outlook ?? ''}>
            <Title order={2} size="h5" mb="xs">
              What would happen
            </Title>
            {answer?.plan ? (
              <Box opacity={fresh ? 1 : 0.6}>
                <Outlook plan={answer.plan} open={['nodes', 'approvers']} />
              </Box>
            ) : (
              <Text size="sm" c="dimmed">
                Shown here once the fields are filled in: the nodes, who must agree, and every step with your inputs in it. Nothing happens
                before you request it.
              </Text>
            )}
          </Box>
        </div>
      )}
    </>
  );
}
