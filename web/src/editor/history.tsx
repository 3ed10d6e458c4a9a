import { Button, Radio, Stack, Table, Text } from '@mantine/core';
import { useState } from 'react';
import { api } from '~/api/client';
import { invalidate } from '~/api/query';
import { Confirm } from '~/components/confirm';
import { Loading } from '~/components/loading';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { apply } from './check';
import { Compare } from './on-demand';
import classes from './history.module.css';
import { readText, toText } from './text';
import { type Document, type Kind, PLURAL } from './types';

const gone = (document: Document): boolean => Object.keys(document.spec ?? {}).length === 0;

/** All revisions of a declared thing, what differs between any two, and the way back to one. `from` and `to` are chosen outside, so that they can stand in the address. */
export function DocumentHistory(props: {
  kind: Kind;
  namespace?: string | undefined;
  name: string;
  from?: number | undefined;
  to?: number | undefined;
  choose: (from: number, to: number) => void;
  mayRestore: boolean;
}) {
  const { kind, namespace, name } = props;
  const { data, error, refetch } = api.useQuery('get', '/api/v1/objects/{kind}/{name}/revisions', {
    params: { path: { kind: PLURAL[kind], name }, query: namespace === undefined ? {} : { namespace } },
  });
  const [restoring, setRestoring] = useState<Document>();
  if (!data) return error ? <ProblemView error={error} retry={() => void refetch()} /> : <Loading />;
  const newest = data.items[0];
  const revision = (document: Document | undefined) => document?.metadata.revision ?? 0;
  const to = props.to ?? revision(newest);
  const from = props.from ?? revision(data.items[1] ?? newest);
  const at = (number: number) => data.items.find((one) => revision(one) === number);
  const text = (number: number) => {
    const found = at(number);
    return found && !gone(found) ? toText(found) : '';
  };
  return (
    <Stack>
      <Table.ScrollContainer minWidth={0}>
        <Table verticalSpacing="xs" className={classes.table ?? ''}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">Revision</Table.Th>
              <Table.Th scope="col">From</Table.Th>
              <Table.Th scope="col">To</Table.Th>
              <Table.Th scope="col" visibleFrom="sm">
                Author
              </Table.Th>
              <Table.Th scope="col" visibleFrom="sm">
                When
              </Table.Th>
              <Table.Th scope="col">Restore</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {data.items.map((one) => (
              <Table.Tr key={revision(one)}>
                <Table.Th scope="row">
                  {revision(one)}
                  {one === newest && (
                    <Text span size="xs" c="dimmed">
                      {' '}
                      newest
                    </Text>
                  )}
                  {gone(one) && (
                    <Text span size="xs">
                      {' '}
                      deleted
                    </Text>
                  )}
                  <Text size="xs" c="dimmed" fw={400} hiddenFrom="sm">
                    {one.metadata.author}, <Time at={one.metadata.updatedAt} ago />
                  </Text>
                </Table.Th>
                <Table.Td>
                  <Radio
                    name="from"
                    aria-label={`Compare from revision ${revision(one)}`}
                    checked={from === revision(one)}
                    onChange={() => props.choose(revision(one), to)}
                    classNames={{ root: classes.radio ?? '' }}
                  />
                </Table.Td>
                <Table.Td>
                  <Radio
                    name="to"
                    aria-label={`Compare to revision ${revision(one)}`}
                    checked={to === revision(one)}
                    onChange={() => props.choose(from, revision(one))}
                    classNames={{ root: classes.radio ?? '' }}
                  />
                </Table.Td>
                <Table.Td visibleFrom="sm">{one.metadata.author}</Table.Td>
                <Table.Td visibleFrom="sm">
                  <Time at={one.metadata.updatedAt} ago />
                </Table.Td>
                <Table.Td>
                  {props.mayRestore && one !== newest && !gone(one) && (
                    <Button size="sm" variant="default" aria-label={`Restore revision ${revision(one)}`} onClick={() => setRestoring(one)}>
                      Restore
                    </Button>
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {data.items.length > 1 ? (
        <Compare before={text(from)} after={text(to)} names={[`Revision ${from}`, `Revision ${to}`]} />
      ) : (
        <Text size="sm" c="dimmed">
          There is one revision so far. Each change adds one, and none is ever changed or lost.
        </Text>
      )}
      {restoring && newest && (
        <Confirm
          opened
          close={() => setRestoring(undefined)}
          title={`Restore revision ${revision(restoring)}?`}
          what={`Save revision ${revision(restoring)} as revision ${revision(newest) + 1}`}
          color="indigo"
          act={async () => {
            const read = readText(toText(restoring));
            if (!read.ok) throw new Error(read.message);
            await apply(read.value, gone(newest) ? 0 : revision(newest), false);
            invalidate('/api/v1/objects');
          }}
        >
          <Text size="sm">
            A new revision is made that says what revision {revision(restoring)} said. Revisions between stay in the history.
          </Text>
          <Compare
            before={gone(newest) ? '' : toText(newest)}
            after={toText(restoring)}
            names={[`Revision ${revision(newest)}`, `Revision ${revision(restoring)}`]}
          />
        </Confirm>
      )}
    </Stack>
  );
}
