import { Button, Card, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { IconArrowLeft, IconGavel, IconPlus } from '@tabler/icons-react';
import { type ReactNode, useState } from 'react';
import { Confirm } from '~/components/confirm';
import { Empty } from '~/components/empty';
import { useFilters } from '~/components/filters';
import { AnchorLink } from '~/components/links';
import { Loading } from '~/components/loading';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { DocumentEditor } from '~/editor';
import { visible, visibleLine } from '~/lib/text';
import classes from './access.module.css';
import { useMay, WhyNot } from './may';
import { changed, deleteThing, useThings } from './objects';
import type { Thing } from './words';

const NEW = '+new';
const STARTER = `apiVersion: synod/v1
kind: Policy
metadata:
  name: my-policy
spec:
  description: Why it is there.
  # Cedar: \`permit\` adds to what roles allow, \`forbid\` wins over every permit.
  # principal is User::"dave", in Group::"oncall"; resource is Template::"shop/restart-service", in Namespace::"shop".
  cedar: |
    @id("oncall-cancels")
    permit (
      principal in Group::"oncall",
      action == Action::"run.cancel",
      resource in Namespace::"shop"
    );
`;

/** Policies of this installation: a list, and each in the editor. */
export default function Policies() {
  const [{ policy }, change] = useFilters<'policy'>();
  const read = useMay('policy.read');
  const write = useMay('policy.write');
  const [doomed, setDoomed] = useState<Thing<'policies'>>();
  if (read.allowed === undefined || write.allowed === undefined) return <Loading />;
  if (!read.allowed) {
    return (
      <Empty icon={IconGavel} title="Policies are not yours to see">
        {read.why} What follows from them for everybody stands under “Who may what”.
      </Empty>
    );
  }
  if (policy) {
    return (
      <Stack>
        <Stack gap="sm" align="flex-start">
          <Button variant="default" leftSection={<IconArrowLeft size={16} aria-hidden />} onClick={() => change({ policy: '' })}>
            All policies
          </Button>
          <Text fw={600} component="h2" size="lg">
            {policy === NEW ? 'New policy' : policy}
          </Text>
        </Stack>
        <WhyNot may={write} what="changing policies" />
        <DocumentEditor
          key={policy}
          kind="Policy"
          {...(policy === NEW ? { starter: STARTER } : { name: policy })}
          readOnly={write.allowed ? undefined : write.why}
          saved={(applied) => {
            changed();
            change({ policy: applied.name });
          }}
        />
      </Stack>
    );
  }
  return (
    <Stack>
      <WhyNot may={write} what="changing policies" />
      <List add={write.allowed ? () => change({ policy: NEW }) : undefined} open={(name) => change({ policy: name })}>
        {(one) =>
          write.allowed && (
            <Button
              variant="subtle"
              className={classes.danger ?? ''}
              onClick={() => setDoomed(one)}
              aria-label={`Delete policy ${one.name}`}
            >
              Delete
            </Button>
          )
        }
      </List>
      {doomed && (
        <Confirm
          opened
          close={() => setDoomed(undefined)}
          title="Delete the policy"
          what={`Delete policy ${doomed.name}`}
          act={() => deleteThing('policies', doomed)}
        >
          <Text size="sm">What it allows is allowed no more, and what it forbids is forbidden no more, from the next request on.</Text>
        </Confirm>
      )}
    </Stack>
  );
}

function List({
  add,
  open,
  children,
}: {
  add: (() => void) | undefined;
  open: (name: string) => void;
  children: (policy: Thing<'policies'>) => ReactNode;
}) {
  const { things, error, isPending, refetch } = useThings('policies');
  if (error) return <ProblemView error={error} retry={() => void refetch()} />;
  if (isPending) return <Loading />;
  const button = add && (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={add}>
      New policy
    </Button>
  );
  if (things.length === 0) {
    return (
      <Empty icon={IconGavel} title="Roles alone decide">
        <Stack align="center" gap="sm">
          <span>
            The built-in policies give each role its rights; they are part of the program. A policy of your own allows more, or forbids:
            “nobody requests anything in shop before 2 January”, “whoever is on call may cancel”.
          </span>
          {button}
        </Stack>
      </Empty>
    );
  }
  return (
    <>
      {button && <Group>{button}</Group>}
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="sm">
        {things.map((one) => (
          <Card key={one.name} component="article" aria-label={`Policy ${one.name}`}>
            <Stack gap="xs" h="100%" justify="space-between">
              <Stack gap="xs">
                <Title order={2} size="h4">
                  {one.name}
                </Title>
                {one.spec.description && <Text size="sm">{visibleLine(one.spec.description)}</Text>}
                <pre className={`${classes.mono} ${classes.cedar}`}>{visible(one.spec.cedar.trim())}</pre>
                <Text size="xs" c="dimmed">
                  revision {one.revision} by {one.author}, <Time at={one.updatedAt} />
                </Text>
              </Stack>
              <Group gap="xs">
                <Button variant="default" onClick={() => open(one.name)} aria-label={`Open policy ${one.name}`}>
                  {add ? 'Edit' : 'Show'}
                </Button>
                {children(one)}
              </Group>
            </Stack>
          </Card>
        ))}
      </SimpleGrid>
      <Text size="sm" c="dimmed">
        Besides these, the built-in policies give each role its rights. What follows from all of them stands under{' '}
        <AnchorLink to="/access" search={{ tab: 'matrix' }} inherit td="underline">
          Who may what
        </AnchorLink>
        .
      </Text>
    </>
  );
}
