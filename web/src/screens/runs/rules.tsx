import { Box, Group, List, Stack, Text, ThemeIcon } from '@mantine/core';
import { IconCheck, IconClock, IconHandStop, IconThumbUp, IconX } from '@tabler/icons-react';
import { Time } from '~/components/time';
import { either, visible } from '~/lib/text';
import { phaseOf, type Run } from './logic/types';
import { rejections } from './logic/words';

interface Rule {
  key: string;
  rule: string;
  filledBy: string[];
  missing: number;
  candidates?: string[];
}

/** What the server calls the template's rules where it lists those of the root. */
const OWN = "the template's own rules";

/** The rules that signatures must meet; those of the template only where signatures do not meet them as decisions do. */
function signatureRules(run: Run): Rule[] {
  const open = run.rules.map(({ missing }) => missing).join();
  const all = run.signing?.rules ?? [];
  const own = all.filter(({ name }) => name === OWN);
  const asTold = own.map(({ missing }) => missing).join() === open;
  return all
    .filter(({ name }) => name !== OWN || !asTold)
    .map((rule, n) => ({ ...rule, rule: `${rule.name}: ${rule.rule}`, key: String(n) }));
}

/** Who must agree, who has, and who could. */
export function Rules({ run }: { run: Run }) {
  const { signing, manifest } = run;
  const pending = phaseOf(run) === 'pending';
  const signatures = signatureRules(run);
  return (
    <Stack gap="sm">
      {manifest.breakGlass ? (
        <Text size="sm">
          Break-glass by rule {manifest.breakGlass}: {manifest.requester} starts it without waiting for others.
        </Text>
      ) : (
        manifest.approval.rules.length === 0 && <Text size="sm">The template asks for nobody’s approval.</Text>
      )}
      {run.rules.length > 0 && !manifest.breakGlass && (
        <RuleList
          title="Rules of the template"
          rules={run.rules.map((rule, n) => ({ ...rule, key: String(n) }))}
          pending={pending}
          foot={rejections(manifest.approval.rejections ?? 1)}
        />
      )}
      {signing && signatures.length > 0 && (
        <RuleList title={`Signatures, by version ${signing.rootVersion} of the trust root`} rules={signatures} pending={pending} />
      )}
      {signing && signing.uncovered.length > 0 && (
        <Text size="sm" c="var(--mantine-color-error)">
          No rule of the trust root is about {signing.uncovered.join(', ')}: nodes that enforce signatures will refuse.
        </Text>
      )}
      <Decisions run={run} />
    </Stack>
  );
}

function RuleList({ title, rules, pending, foot }: { title: string; rules: Rule[]; pending: boolean; foot?: string }) {
  return (
    <Box>
      <Text size="sm" c="dimmed" mb={4}>
        {title}
      </Text>
      <List listStyleType="none" spacing={6} size="sm">
        {rules.map((rule) => (
          <List.Item key={rule.key} icon={<Mark done={rule.missing === 0} />}>
            {rule.rule}
            {rule.filledBy.length > 0 && (
              <Text span inherit fw={600}>
                {' '}
                — {rule.filledBy.join(', ')}
              </Text>
            )}
            {pending && rule.missing > 0 && (
              <Text size="xs" c="dimmed">
                {rule.missing} more needed
                {rule.candidates !== undefined &&
                  (rule.candidates.length > 0 ? `, from ${either(rule.candidates)}` : '; as things stand nobody could')}
              </Text>
            )}
          </List.Item>
        ))}
      </List>
      {foot && (
        <Text size="xs" c="dimmed" mt={6}>
          {foot}
        </Text>
      )}
    </Box>
  );
}

const Mark = ({ done }: { done: boolean }) => (
  <ThemeIcon size={20} radius="xl" variant="light" color={done ? 'teal' : 'yellow'} aria-label={done ? 'met' : 'not met yet'} role="img">
    {done ? <IconCheck size={13} aria-hidden /> : <IconClock size={13} aria-hidden />}
  </ThemeIcon>
);

/** What people decided, in their words. */
function Decisions({ run }: { run: Run }) {
  if (run.approvals.length === 0) return null;
  return (
    <Box>
      <Text size="sm" c="dimmed" mb={4}>
        Decisions
      </Text>
      <Stack gap={8}>
        {run.approvals.map((one) => {
          const approved = one.decision === 'approve';
          const mind =
            one.digest !== run.digest ? 'on another manifest' : one.counts ? '' : `does not count${one.whyNot ? `: ${one.whyNot}` : ''}`;
          return (
            <Group key={`${one.person} ${one.at}`} gap={8} align="flex-start" wrap="nowrap">
              <ThemeIcon size={20} radius="xl" variant="light" color={approved ? 'teal' : 'red'} mt={2}>
                {approved ? <IconThumbUp size={13} aria-hidden /> : <IconHandStop size={13} aria-hidden />}
              </ThemeIcon>
              <Box miw={0}>
                <Text size="sm">
                  <b>{one.person}</b> {approved ? 'approved' : 'rejected'} <Time at={one.at} ago c="dimmed" />
                  {mind !== '' && (
                    <Text span inherit c="dimmed">
                      {' '}
                      <IconX size={12} aria-hidden /> {mind}
                    </Text>
                  )}
                </Text>
                {one.comment !== '' && (
                  <Text size="sm" style={{ whiteSpace: 'pre-line' }}>
                    “{visible(one.comment)}”
                  </Text>
                )}
                {one.key && (
                  <Text size="xs" c="dimmed">
                    signed with {one.key}
                  </Text>
                )}
              </Box>
            </Group>
          );
        })}
      </Stack>
    </Box>
  );
}
