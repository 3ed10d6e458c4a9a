import { Alert, Badge, Box, Group, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import classes from './facts.module.css';
import { filledIn, usesRaw } from './logic/script';
import { visible, visibleLine } from '~/lib/text';
import type { Manifest, RunPlan, Step } from './logic/types';
import { count, expectation } from './logic/words';

/** What will run: the steps with the inputs filled in, as the manifest has them. */
export function Steps({ manifest, preview, open }: { manifest: Manifest; preview: RunPlan['preview']; open: boolean }) {
  const raw = manifest.steps.some((step, n) => isRaw(step, preview[n]));
  return (
    <Box>
      {raw && (
        <Alert
          color="orange"
          p="xs"
          mb="xs"
          icon={<IconAlertTriangle aria-hidden />}
          styles={{ message: { color: 'var(--mantine-color-text)' } }}
        >
          A value of the request becomes code in this run (<code>raw</code>). Read the marked script with care.
        </Alert>
      )}
      <ol className={classes.steps}>
        {manifest.steps.map((step, n) => (
          <li key={step.name}>
            <OneStep n={n + 1} step={step} preview={preview[n]} manifest={manifest} open={open} />
          </li>
        ))}
      </ol>
    </Box>
  );
}

const isRaw = (step: Step, preview: RunPlan['preview'][number] | undefined): boolean => preview?.raw === true || usesRaw(step.run ?? '');

function OneStep({
  n,
  step,
  preview,
  manifest,
  open,
}: {
  n: number;
  step: Step;
  preview: RunPlan['preview'][number] | undefined;
  manifest: Manifest;
  open: boolean;
}) {
  const source = step.run ?? '';
  const filled = filledIn(source, manifest.inputs as Record<string, unknown>, Object.keys(manifest.secrets ?? {}));
  return (
    <details open={open}>
      <summary>
        <Group gap={8} wrap="wrap">
          <Text span inherit fw={600}>
            {n}. {visibleLine(step.name)}
          </Text>
          {isRaw(step, preview) && (
            <Badge
              color="orange"
              variant="light"
              radius="sm"
              tt="none"
              leftSection={<IconAlertTriangle size={12} aria-hidden />}
              styles={{ label: { color: 'var(--mantine-color-text)' } }}
            >
              raw: a value becomes code
            </Badge>
          )}
        </Group>
      </summary>
      <Conditions step={step} />
      <pre className={classes.script} tabIndex={0} aria-label={`Script of step ${n}`}>
        {visible((filled ?? preview?.script ?? source).trimEnd())}
      </pre>
      {filled === undefined && (
        <>
          <Text size="sm" my={6}>
            Nodes decide what this becomes. As it is written, and as it is approved:
          </Text>
          <pre className={classes.script} tabIndex={0} aria-label={`Script of step ${n} as it is written`}>
            {visible(source.trimEnd())}
          </pre>
        </>
      )}
      {Object.entries(step.env ?? {}).map(([name, value]) => (
        <Text key={name} size="sm" mt={4} className={classes.mono}>
          {visibleLine(name)}={visibleLine(value)}
        </Text>
      ))}
      {step.expect && (
        <Text size="sm" mt={4} c="dimmed">
          expects {expectation(step.expect, step.continueOnFailure ?? false)}
        </Text>
      )}
    </details>
  );
}

function Conditions({ step }: { step: Step }) {
  const words = [
    ...(step.when ? [`only when ${step.when}`] : []),
    ...(step.retry
      ? [`again every ${step.retry.every ?? '1s'} until ${step.retry.until}, at most ${count(step.retry.limit ?? 10, 'time')}`]
      : []),
    ...(step.timeout ? [`at most ${step.timeout}`] : []),
    ...(step.continueOnFailure ? ['goes on even when it fails'] : []),
  ];
  if (words.length === 0) return null;
  return (
    <Text size="sm" mb={6} c="dimmed">
      {visibleLine(words.join('; '))}
    </Text>
  );
}
