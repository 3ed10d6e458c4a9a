import { Card, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { IconKey, IconShieldCheck } from '@tabler/icons-react';
import { api } from '~/api/client';
import { Copy } from '~/components/command';
import { Loading } from '~/components/loading';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { either, visibleLine } from '~/lib/text';
import { Findings } from './findings';
import { Part } from './in-force';
import { docOf, type Outlook, type Principal, type TrustRoot } from './root';
import classes from './trust.module.css';

/** The people of the root, their keys, and what would break if one of them left. */
export function People({ root }: { root: TrustRoot }) {
  const doc = docOf(root);
  const { data, error } = api.useQuery('get', '/api/v1/trust/outlook');
  return (
    <Stack>
      {error && <ProblemView error={error} />}
      {!data && !error && <Loading />}
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        {doc.principals.map((person) => (
          <Person key={person.name} person={person} outlook={data?.people.find((one) => one.name === person.name)} />
        ))}
      </SimpleGrid>
      {(doc.revoked ?? []).length > 0 && (
        <Part title="Revoked keys">
          {doc.revoked?.map((one) => (
            <div key={one.key}>
              <div className={classes.mono}>{one.key}</div>
              <Text size="sm">
                since <Time at={one.at} />: {visibleLine(one.reason)}
              </Text>
            </div>
          ))}
        </Part>
      )}
    </Stack>
  );
}

/** `role approver`, `roles administrator and owner` */
const named = (what: string, names: string[]): string =>
  names.length === 0 ? '' : `${what}${names.length === 1 ? '' : 's'} ${either(names, 'and')}`;

function Person({ person, outlook }: { person: Principal; outlook: Outlook['people'][number] | undefined }) {
  const parts = [
    named('role', person.roles ?? []) || 'no role',
    ...((person.groups ?? []).length > 0 ? [`in ${named('group', person.groups ?? [])}`] : []),
  ];
  return (
    <Card component="article" aria-label={person.name}>
      <Stack gap="sm">
        <div>
          <Title order={2} size="h4">
            {person.name}
          </Title>
          <Text size="sm">{parts.join('; ')}</Text>
          {person.root && (
            <Text size="sm">
              <IconShieldCheck size={14} aria-hidden style={{ verticalAlign: '-2px' }} /> holds the root: signs later versions
            </Text>
          )}
        </div>
        {outlook?.keys.map((key) => (
          <Group key={key.id} gap="xs" wrap="nowrap" align="center">
            <IconKey size={16} aria-hidden style={{ flexShrink: 0 }} />
            <div>
              <Text size="sm">{key.kind === 'passkey' ? 'passkey' : key.kind}</Text>
              <div className={classes.mono}>{key.id}</div>
            </div>
            <Copy text={key.id} label={`Copy the key's id of ${person.name}`} />
          </Group>
        ))}
        {outlook?.keys.length === 0 && <Text size="sm">No key that counts.</Text>}
        {outlook && (
          <div>
            <Title order={3} size="h6" mb={4}>
              If {person.name} left, or lost their keys
            </Title>
            <Findings findings={outlook.ifGone} none="Everything could go on." />
          </div>
        )}
      </Stack>
    </Card>
  );
}
