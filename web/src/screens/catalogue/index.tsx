import { Anchor, Badge, Box, Button, Card, Chip, Group, Select, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { IconBook2, IconBan, IconSearch, IconServer2, IconSnowflake, IconUsersGroup } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { api, type Schemas } from '~/api/client';
import { Empty } from '~/components/empty';
import { SearchFilter, useFilters } from '~/components/filters';
import { Loading } from '~/components/loading';
import { Page } from '~/components/page';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { ButtonLink } from '~/components/links';
import { useCan } from '~/session/session';
import { visible, visibleLine } from '~/lib/text';
import classes from './catalogue.module.css';
import { agreement, asTemplate, finds, labelled, labelsOf, type Template, where } from './words';

/** What may be requested. */
export default function Screen() {
  const templates = api.useQuery('get', '/api/v1/objects/{kind}', { params: { path: { kind: 'templates' } } });
  const namespaces = api.useQuery('get', '/api/v1/objects/{kind}', { params: { path: { kind: 'namespaces' } } });
  return (
    <Page title="Catalogue" about="What may be requested. Choose one, say where and why; it starts once those who must agree have agreed.">
      {templates.error && <ProblemView error={templates.error} retry={() => void templates.refetch()} />}
      {templates.isPending && <Loading />}
      {templates.data && <Found templates={templates.data.items.map(asTemplate)} namespaces={namespaces.data?.items ?? []} />}
    </Page>
  );
}

function Found({ templates, namespaces }: { templates: Template[]; namespaces: Schemas['Document'][] }) {
  const [search, set] = useFilters<'q' | 'namespace' | 'label'>();
  const chosen = search.label ? search.label.split(',') : [];
  if (templates.length === 0) return <None />;
  const places = [...new Set(templates.map((one) => one.metadata.namespace ?? ''))].sort();
  const labels = labelsOf(templates);
  const shown = templates.filter(
    (one) => (!search.namespace || one.metadata.namespace === search.namespace) && labelled(one, chosen) && finds(one, search.q ?? ''),
  );
  return (
    <>
      <Stack gap="xs">
        <Group gap="sm" align="flex-end">
          <div className={classes.search}>
            <SearchFilter
              aria-label="Search the catalogue"
              placeholder="Search: restart, password, team=shop…"
              value={search.q}
              change={(q) => set({ q })}
            />
          </div>
          {places.length > 1 && (
            <Select
              aria-label="Namespace"
              placeholder="All namespaces"
              data={places}
              value={search.namespace ?? null}
              onChange={(value) => set({ namespace: value ?? '' })}
              clearable
              clearButtonProps={{ 'aria-label': 'All namespaces' }}
            />
          )}
        </Group>
        {labels.length > 0 && (
          <Chip.Group multiple value={chosen} onChange={(value) => set({ label: value.join(',') })}>
            <Group gap={6} role="group" aria-label="Labels">
              {labels.slice(0, 24).map((label) => (
                <Chip key={label} value={label} size="sm" variant="outline" classNames={{ label: classes.chip ?? '' }}>
                  {label}
                </Chip>
              ))}
            </Group>
          </Chip.Group>
        )}
      </Stack>
      {shown.length === 0 ? (
        <Empty icon={IconSearch} title="Nothing fits">
          No template has all of this.{' '}
          <Button variant="default" size="sm" onClick={() => set({ q: '', namespace: '', label: '' })}>
            Show all {templates.length}
          </Button>
        </Empty>
      ) : (
        places.map((place) => {
          const here = shown.filter((one) => one.metadata.namespace === place);
          return (
            here.length > 0 && (
              <Place key={place} name={place} namespace={namespaces.find((one) => one.metadata.name === place)} templates={here} />
            )
          );
        })
      )}
    </>
  );
}

/** The templates of a namespace, with what is about all of them. */
function Place({ name, namespace, templates }: { name: string; namespace: Schemas['Document'] | undefined; templates: Template[] }) {
  const may = useCan('run.request', { namespace: name });
  const spec = namespace?.spec as Partial<Schemas['NamespaceSpec']> | undefined;
  const frozen = spec?.frozen === true;
  return (
    <section aria-label={`Namespace ${name}`}>
      <Group gap="xs" mb="xs">
        <Title order={2} size="h4">
          {visibleLine(spec?.title || name)}
        </Title>
        {spec?.title && (
          <Text size="sm" c="dimmed">
            {name}
          </Text>
        )}
        {frozen && (
          <Badge
            variant="light"
            color="blue"
            tt="none"
            leftSection={<IconSnowflake size={12} aria-hidden />}
            styles={{ label: { color: 'var(--mantine-color-text)' } }}
          >
            frozen: nothing may be requested
          </Badge>
        )}
        {may === false && (
          <Badge variant="light" color="gray" tt="none" styles={{ label: { color: 'var(--mantine-color-text)' } }}>
            you may look, not request
          </Badge>
        )}
      </Group>
      <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }} spacing="sm">
        {templates.map((one) => (
          <TemplateCard key={one.metadata.name} template={one} open={may !== false && !frozen} />
        ))}
      </SimpleGrid>
    </section>
  );
}

function TemplateCard({ template, open }: { template: Template; open: boolean }) {
  const { namespace, name, labels, revision, author, updatedAt } = template.metadata;
  const { title, description, enabled = true } = template.spec;
  return (
    <Card className={classes.card ?? ''} data-off={!enabled || undefined}>
      <Stack gap={6} h="100%">
        <Title order={3} size="h5">
          <Anchor
            component={Link}
            fw={650}
            to={`/catalogue/${namespace}/${name}`}
            c="var(--mantine-color-text)"
            className={classes.cover ?? ''}
          >
            {visibleLine(title)}
          </Anchor>
        </Title>
        <Text size="xs" c="dimmed">
          {name}
        </Text>
        {description && <Text size="sm">{visible(description)}</Text>}
        <Box mt="auto" pt={4}>
          <Fact icon={IconServer2} what="Where">
            {where(template.spec)}
          </Fact>
          <Fact icon={IconUsersGroup} what="Who must agree">
            {agreement(template.spec)}
          </Fact>
        </Box>
        {Object.keys(labels ?? {}).length > 0 && (
          <Group gap={4}>
            {Object.entries(labels ?? {}).map(([key, value]) => (
              <Badge key={key} variant="default" radius="sm" tt="none" fw={500}>
                {visibleLine(`${key}=${value}`)}
              </Badge>
            ))}
          </Group>
        )}
        {!enabled && (
          <Text size="sm" className={classes.off}>
            <IconBan size={14} aria-hidden /> Disabled: its newest revision ({revision}, by {author}, <Time at={updatedAt} ago />) says that
            it may not be requested.
          </Text>
        )}
        {enabled && !open && (
          <Text size="xs" c="dimmed">
            Only to look at
          </Text>
        )}
      </Stack>
    </Card>
  );
}

function Fact({ icon: Icon, what, children }: { icon: typeof IconServer2; what: string; children: string }) {
  return (
    <Group gap={6} wrap="nowrap" align="flex-start">
      <Icon size={15} stroke={1.6} className={classes.icon} role="img" aria-label={what} />
      <Text size="sm" c="dimmed">
        {children}
      </Text>
    </Group>
  );
}

function None() {
  const may = useCan('template.write');
  return (
    <Empty icon={IconBook2} title="Nothing may be requested yet">
      <Stack align="center" gap="sm">
        <span>A template says what may be done, on which nodes, and who must agree before it happens.</span>
        {may ? (
          <ButtonLink to="/templates" search={{ new: '1' }}>
            Write the first template
          </ButtonLink>
        ) : (
          <span>An administrator writes them, here under Templates or with `synod apply -f FILE`.</span>
        )}
      </Stack>
    </Empty>
  );
}
