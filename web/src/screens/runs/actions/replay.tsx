import { Alert, Button, Group, List, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useRef, useState } from 'react';
import { client, type Schemas, unwrap } from '~/api/client';
import { atField, besideFields } from '~/components/fields';
import { PasswordField } from '~/components/password-field';
import { ProblemView } from '~/components/problem';
import { toPointer } from '~/forms/pointer';
import { nodesOptions, takeRun } from '../data';
import { Fact, Facts } from '../facts';
import { Sheet } from '../decide/sheet';
import { differences, nodeDifferences } from '../logic/differences';
import { titleOf, visibleLine } from '~/lib/text';
import type { Run, RunPlan } from '../logic/types';
import { batches, count, strategy } from '../logic/words';

/** Asks for the same elsewhere: what it would do is shown before it is requested. */
export function Replay({ run, opened, close }: { run: Run; opened: boolean; close: () => void }) {
  return (
    <Sheet opened={opened} close={close} title={`Replay: ${titleOf(run)}`} wide>
      <ReplayForm run={run} close={close} />
    </Sheet>
  );
}

function ReplayForm({ run, close }: { run: Run; close: () => void }) {
  const navigate = useNavigate();
  const secrets = Object.keys(run.manifest.secrets ?? {});
  const [target, setTarget] = useState('');
  const [reason, setReason] = useState(run.reason);
  const [values, setValues] = useState<Record<string, string>>({});
  const [plan, setPlan] = useState<{ plan: RunPlan; of: string }>();
  const [busy, setBusy] = useState<'plan' | 'request'>();
  const [error, setError] = useState<unknown>();
  // The same request, sent twice, is one run: also where the first answer was lost.
  const sent = useRef<{ of: string; key: string }>(undefined);

  const request = {
    target: target.trim(),
    reason,
    ...(secrets.length > 0 && { secrets: values as unknown as Schemas['ReplayRequest']['secrets'] }),
  };
  const asked = JSON.stringify(request);
  const missing = secrets.filter((name) => !values[name]);
  const looked = plan?.of === asked;

  const send = async (dryRun: boolean) => {
    setBusy(dryRun ? 'plan' : 'request');
    setError(undefined);
    try {
      if (!dryRun && sent.current?.of !== asked) sent.current = { of: asked, key: crypto.randomUUID() };
      const header = dryRun || !sent.current ? {} : { 'Idempotency-Key': sent.current.key };
      const answer: unknown = await unwrap(
        client.POST('/api/v1/runs/{id}/replay', { params: { path: { id: run.id }, header }, body: { ...request, dryRun } }),
      );
      if (dryRun) return setPlan({ plan: answer as RunPlan, of: asked });
      const made = answer as Run;
      takeRun(made);
      close();
      await navigate({ to: '/runs/$id', params: { id: made.id }, search: {} });
    } catch (cause) {
      setError(cause);
    } finally {
      setBusy(undefined);
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void send(!looked);
  };
  const fields = ['/target', '/reason', ...secrets.map((name) => toPointer(['inputs', name]))];

  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <Text size="sm">The same template revision and inputs as run {run.id}, on the nodes you name. Approval is asked for anew.</Text>
        <TextInput
          label="On which nodes"
          description="A label query, such as role=web,env!=prod or name in (web-1,web-2). Empty: every node that the template allows."
          value={target}
          error={atField(error, '/target')}
          onChange={(event) => setTarget(event.currentTarget.value)}
          spellCheck={false}
          autoCapitalize="off"
        />
        <Textarea
          label="Why"
          value={reason}
          error={atField(error, '/reason')}
          onChange={(event) => setReason(event.currentTarget.value)}
          autosize
          minRows={2}
          maxLength={2000}
        />
        {secrets.map((name) => (
          <PasswordField
            key={name}
            label={`Secret: ${visibleLine(name)}`}
            description="Secrets are not kept; give it again."
            required
            autoComplete="off"
            value={values[name] ?? ''}
            error={atField(error, toPointer(['inputs', name]))}
            onChange={(event) => {
              const { value } = event.currentTarget;
              setValues((known) => ({ ...known, [name]: value }));
            }}
          />
        ))}
        {besideFields(error, ...fields) && <ProblemView error={error} except={(pointer) => fields.includes(pointer)} />}
        {plan &&
          (looked ? (
            <Plan run={run} plan={plan.plan} />
          ) : (
            <Text size="sm">You have changed something since the preview. Look again before you request it.</Text>
          ))}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Back
          </Button>
          <Button type="submit" loading={busy !== undefined} disabled={missing.length > 0}>
            {looked ? `Request it on ${count(plan.plan.nodes.length, 'node')}` : 'Look what it would do'}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function Plan({ run, plan }: { run: Run; plan: RunPlan }) {
  const { data: before } = useQuery(nodesOptions(run.id));
  const changed = differences(run.manifest, plan.manifest).filter(({ path }) => path !== 'requester');
  const nodes = before && nodeDifferences(before, plan.nodes);
  return (
    <Alert
      color="blue"
      title="What it would do"
      styles={{ title: { color: 'var(--mantine-color-text)' }, message: { color: 'var(--mantine-color-text)' } }}
    >
      <Stack gap="xs">
        <Facts>
          <Fact name="Nodes">
            {count(plan.nodes.length, 'node')}: {some(plan.nodes.map(({ name }) => name))}
          </Fact>
          {plan.keptOut.length > 0 && <Fact name="Kept out">{some(plan.keptOut)} (the template or the namespace does not allow them)</Fact>}
          <Fact name="How">
            {strategy(plan.manifest.strategy)}; in batches of {batches(plan.batches)}
          </Fact>
          <Fact name="Approval">
            {plan.approvers.length === 0
              ? `the template asks for nobody’s${run.signing ? '; signatures by the trust root' : ': it starts at once'}`
              : plan.approvers.map((rule) => `${rule.rule} (could: ${rule.candidates.join(', ') || 'nobody'})`).join('; ')}
          </Fact>
        </Facts>
        <Text size="sm" fw={600}>
          What differs from run {run.id}
        </Text>
        <List size="sm">
          {nodes && nodes.gone.length > 0 && <List.Item>not on {some(nodes.gone)}</List.Item>}
          {nodes && nodes.added.length > 0 && <List.Item>now on {some(nodes.added)}</List.Item>}
          {changed.map((one) => (
            <List.Item key={one.path}>
              {one.path}: {visibleLine(one.before)} → {visibleLine(one.after)}
            </List.Item>
          ))}
          {changed.length === 0 && nodes && nodes.gone.length + nodes.added.length === 0 && <List.Item>nothing</List.Item>}
        </List>
      </Stack>
    </Alert>
  );
}

/** The first few names, and how many more there are. */
const some = (names: readonly string[]): string =>
  names.slice(0, 12).join(', ') + (names.length > 12 ? ` and ${names.length - 12} more` : '');
