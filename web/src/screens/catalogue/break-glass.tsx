import { Alert, Button, List, Stack, Text } from '@mantine/core';
import { IconFlame } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { api } from '~/api/client';
import { Confirm } from '~/components/confirm';
import { dryRun, type RunPlan, type RunRequest } from '~/forms/request';
import { useCan, useMe } from '~/session/session';

/** What a break-glass rule of the trust root says to those it names. */
export interface Rule {
  name: string;
  who: string[];
  perDay: number;
  maxNodes: number;
}

/** The break-glass rules of the published root that name the caller. */
export function useRules(namespace: string): Rule[] {
  const me = useMe();
  const may = useCan('run.break-glass', { namespace });
  const { data } = api.useQuery('get', '/api/v1/trust', {}, { enabled: may === true, retry: false });
  const document = data?.root?.document as { breakGlass?: Rule[] } | undefined;
  return may ? (document?.breakGlass ?? []).filter((rule) => rule.who.includes(me.user)) : [];
}

/** A start that the trust root lets the caller make alone. */
export interface Open {
  plan: RunPlan;
  rule: Rule | undefined;
}

/** The rule a plan goes by. */
export const opened = (rules: readonly Rule[], plan: RunPlan): Open => ({
  plan,
  rule: rules.find((rule) => rule.name === plan.manifest.breakGlass),
});

/** The plan of starting alone, where the trust root lets the caller; asked once the ordinary request is right. */
export function useBreakGlass(rules: readonly Rule[], request: RunRequest | undefined): Open | undefined {
  const [found, setFound] = useState<{ plan: RunPlan; of: string }>();
  const text = rules.length > 0 && request ? JSON.stringify(request) : undefined;
  useEffect(() => {
    if (text === undefined) return;
    let here = true;
    void dryRun({ ...(JSON.parse(text) as RunRequest), breakGlass: '' }).then((answer) => {
      if (here) setFound(answer.plan && { plan: answer.plan, of: text });
    });
    return () => {
      here = false;
    };
  }, [text]);
  return found && found.of === text ? opened(rules, found.plan) : undefined;
}

/** The loud, separate way: starting without waiting for others. */
export function BreakGlass(props: { open: Open; reason: string; start: () => Promise<void> }) {
  const { plan, rule } = props.open;
  const [asking, setAsking] = useState(false);
  const many = `${plan.nodes.length} ${plan.nodes.length === 1 ? 'node' : 'nodes'}`;
  return (
    <Alert
      color="red"
      icon={<IconFlame aria-hidden />}
      title="Break-glass: start without waiting for others"
      styles={{ title: { color: 'var(--mantine-color-text)' } }}
    >
      <Stack gap="xs" align="flex-start">
        <Text size="sm">
          For emergencies. The trust root lets you start this alone by its rule {plan.manifest.breakGlass}. Everybody sees that you did.
        </Text>
        <Button
          color="red.9"
          leftSection={<IconFlame size={16} aria-hidden />}
          onClick={() => setAsking(true)}
          disabled={props.reason.trim() === ''}
        >
          Start by break-glass…
        </Button>
        {props.reason.trim() === '' && <Text size="sm">Say why first: those who look at it afterwards need to know.</Text>}
      </Stack>
      <Confirm
        opened={asking}
        close={() => setAsking(false)}
        title="Start without waiting for others?"
        color="red.9"
        what={`Start by break-glass on ${many}`}
        act={props.start}
      >
        <Text size="sm">What follows:</Text>
        <List size="sm" spacing={4}>
          <List.Item>
            {plan.manifest.template.name} runs on {many} as soon as you sign your own decision with your key, on the run’s page, within 15
            minutes. Nobody else is asked.
          </List.Item>
          <List.Item>
            It stands in the audit log and on everybody’s screen as not ratified, until those who normally agree have signed after the fact,
            or an incident is recorded.
          </List.Item>
          {rule && (
            <List.Item>
              Rule {rule.name} allows {rule.perDay} {rule.perDay === 1 ? 'start' : 'starts'} a day on at most {rule.maxNodes} nodes; this
              uses one.
            </List.Item>
          )}
          <List.Item>Reason given: “{props.reason}”</List.Item>
        </List>
      </Confirm>
    </Alert>
  );
}
