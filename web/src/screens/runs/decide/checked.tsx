import { Group, Loader, Text, ThemeIcon } from '@mantine/core';
import { IconShieldCheck } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { ProblemView } from '~/components/problem';
import { Facts, Fact } from '../facts';
import classes from '../facts.module.css';
import { shortDigest } from '../logic/canonical';
import type { Run } from '../logic/types';
import { checkRun } from './sign';

/** Whether what is shown hangs together, found out here and not taken from the server. */
export const useChecked = (run: Run, enabled: boolean) =>
  useQuery({
    queryKey: ['run-checked', run.id, run.digest, run.manifest],
    queryFn: () => checkRun(run).then(() => true),
    enabled,
    staleTime: Infinity,
    retry: false,
  });

/** Tells whether the manifest and the nodes shown are those that the digest stands for. */
export function Checked({ run, enabled = true }: { run: Run; enabled?: boolean }) {
  const { data, error, isFetching } = useChecked(run, enabled);
  if (error !== null) return <ProblemView error={error} />;
  return (
    <Group gap={8} wrap="nowrap" role="status">
      {data ? (
        <ThemeIcon size={22} radius="xl" variant="light" color="teal">
          <IconShieldCheck size={14} aria-hidden />
        </ThemeIcon>
      ) : (
        <Loader size={18} aria-hidden />
      )}
      <Text size="sm">
        {data
          ? 'Checked by your browser: the digest is that of what is shown, nodes included.'
          : isFetching
            ? 'Your browser checks the digest …'
            : ''}
      </Text>
    </Group>
  );
}

/** What a decision is about, in the words that are signed or sent. */
export function Said({ run, what, person, signed }: { run: Run; what: string; person: string; signed: boolean }) {
  return (
    <Facts>
      <Fact name={signed ? 'You sign' : 'You say'}>
        <b>{what}</b>, as {person}
      </Fact>
      <Fact name="Run">{run.id}</Fact>
      <Fact name="Digest">
        <span className={classes.mono} title={run.digest}>
          {shortDigest(run.digest)}
        </span>
        <Text size="xs" c="dimmed">
          the first 12 of 64 digits
        </Text>
      </Fact>
    </Facts>
  );
}
