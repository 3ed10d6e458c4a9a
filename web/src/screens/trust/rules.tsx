import { Badge, Card, Group, List, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { IconAlertTriangle, IconCheck, IconFlame } from '@tabler/icons-react';
import { api } from '~/api/client';
import { ProblemView } from '~/components/problem';
import { Part } from './in-force';
import { aboutWords, breakGlassWords, conditionWords, docOf, needsWords, type Outlook, type Rule, type TrustRoot } from './root';

/** How many of whom it takes, for what, where; and who may go ahead alone. */
export function Rules({ root }: { root: TrustRoot }) {
  const doc = docOf(root);
  const { data, error } = api.useQuery('get', '/api/v1/trust/outlook');
  const outlook = (name: string) => data?.rules.slice(1).find((one) => one.name === name);
  return (
    <Stack>
      {error && <ProblemView error={error} />}
      <Text size="sm" c="dimmed">
        All rules that fit a template on a node apply, and the template's own rules besides. Where no rule fits, nodes that enforce refuse.
      </Text>
      {doc.rules.length === 0 && <Text>No rule: nodes that enforce refuse everything.</Text>}
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        {doc.rules.map((rule) => (
          <RuleCard key={rule.name} rule={rule} outlook={outlook(rule.name)} />
        ))}
        {data?.rules[0] && (
          <Card component="article" aria-label="Later trust roots">
            <Stack gap="xs">
              <Title order={2} size="h4">
                Later trust roots
              </Title>
              <Text size="sm">
                {doc.threshold} of the holders must sign: {data.rules[0].holders.join(', ')}
              </Text>
              <Spare spare={data.rules[0].spare} />
            </Stack>
          </Card>
        )}
      </SimpleGrid>
      <Part title="Break-glass">
        {(doc.breakGlass ?? []).length === 0 ? (
          <Text size="sm">Nobody may start anything alone.</Text>
        ) : (
          <List listStyleType="none" spacing="xs">
            {doc.breakGlass?.map((rule) => (
              <List.Item key={rule.name} styles={{ itemWrapper: { display: 'block' } }}>
                <Text fw={600}>
                  <IconFlame size={16} aria-hidden style={{ verticalAlign: '-2px' }} /> {rule.name}
                </Text>
                <Text size="sm">{breakGlassWords(rule)}</Text>
              </List.Item>
            ))}
          </List>
        )}
        <Text size="sm" c="dimmed">
          Such a run stays on everybody's list until the normal quorum has ratified it, or an incident is recorded.
        </Text>
      </Part>
    </Stack>
  );
}

function RuleCard({ rule, outlook }: { rule: Rule; outlook: Outlook['rules'][number] | undefined }) {
  return (
    <Card component="article" aria-label={`Rule ${rule.name}`}>
      <Stack gap="xs">
        <Title order={2} size="h4">
          {rule.name}
        </Title>
        <Text size="sm">{aboutWords(rule)}</Text>
        <List size="sm">
          {needsWords(rule).map((words) => (
            <List.Item key={words}>{words}</List.Item>
          ))}
        </List>
        <Text size="sm">{conditionWords(rule)}</Text>
        {outlook && (
          <>
            <Text size="sm">Could agree: {outlook.holders.join(', ') || 'nobody'}</Text>
            <Spare spare={outlook.spare} />
          </>
        )}
      </Stack>
    </Card>
  );
}

/** How many people can be spared, whoever they are. */
function Spare({ spare }: { spare: number }) {
  const [color, Icon, words] =
    spare < 0
      ? (['red', IconAlertTriangle, `cannot be met: ${-spare} too few`] as const)
      : spare === 0
        ? (['orange', IconAlertTriangle, 'nobody can be spared'] as const)
        : (['teal', IconCheck, `${spare} may be missing, whoever they are`] as const);
  return (
    <Group>
      <Badge
        color={color}
        variant="light"
        radius="sm"
        tt="none"
        h="auto"
        leftSection={<Icon size={12} aria-hidden />}
        styles={{ label: { color: 'var(--mantine-color-text)', whiteSpace: 'normal' } }}
      >
        {words}
      </Badge>
    </Group>
  );
}
