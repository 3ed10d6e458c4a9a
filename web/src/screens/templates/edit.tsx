import { Alert, Button, Tabs, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconHistory, IconPencil, IconSend, IconTrash } from '@tabler/icons-react';
import { useNavigate, useParams } from '@tanstack/react-router';
import { api, client } from '~/api/client';
import { invalidate } from '~/api/query';
import { Confirm } from '~/components/confirm';
import { useFilters } from '~/components/filters';
import { Loading } from '~/components/loading';
import { Page } from '~/components/page';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { DocumentEditor, DocumentHistory } from '~/editor';
import { asTemplate, type Template } from '~/screens/catalogue/words';
import { ButtonLink } from '~/components/links';
import { useCan } from '~/session/session';
import { visibleLine } from '~/lib/text';
import { EnabledSwitch } from './enabled';

/** One template: its text, its history, and what can be done with it. */
export default function Screen() {
  const { namespace, name } = useParams({ from: '/signed-in/templates/$namespace/$name' });
  const [search, set] = useFilters<'tab' | 'from' | 'to'>();
  const { data, error, refetch } = api.useQuery('get', '/api/v1/objects/{kind}/{name}', {
    params: { path: { kind: 'templates', name }, query: { namespace } },
  });
  const may = useCan('template.write', { namespace });
  const template = data && asTemplate(data);
  const number = (text: string | undefined) => (text && /^\d+$/.test(text) ? Number(text) : undefined);
  if (!template || may === undefined)
    return <Page title={name}>{error ? <ProblemView error={error} retry={() => void refetch()} /> : <Loading />}</Page>;
  const { revision, author, updatedAt } = template.metadata;
  return (
    <Page
      title={visibleLine(template.spec.title)}
      about={
        <>
          {namespace}/{name}, revision {revision} by {author}, <Time at={updatedAt} ago />
        </>
      }
      actions={
        <>
          <EnabledSwitch template={template} label />
          {template.spec.enabled !== false && (
            <ButtonLink
              to="/catalogue/$namespace/$template"
              params={{ namespace, template: name }}
              search={{}}
              variant="default"
              leftSection={<IconSend size={16} aria-hidden />}
            >
              Request
            </ButtonLink>
          )}
          <Delete template={template} />
        </>
      }
    >
      {!may && (
        <Alert p="xs" color="gray" styles={{ message: { color: 'var(--mantine-color-text)' } }}>
          You may read this template. Changing it takes the role administrator in {namespace}.
        </Alert>
      )}
      <Tabs
        value={search.tab === 'history' ? 'history' : 'text'}
        onChange={(tab) => set({ tab: tab === 'history' ? 'history' : '' })}
        keepMounted
      >
        <Tabs.List mb="sm">
          <Tabs.Tab value="text" leftSection={<IconPencil size={16} aria-hidden />}>
            {may ? 'Edit' : 'Text'}
          </Tabs.Tab>
          <Tabs.Tab value="history" leftSection={<IconHistory size={16} aria-hidden />}>
            History
          </Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="text">
          <DocumentEditor kind="Template" namespace={namespace} name={name} readOnly={may ? undefined : 'You may only read it.'} />
        </Tabs.Panel>
        <Tabs.Panel value="history">
          {search.tab === 'history' && (
            <DocumentHistory
              kind="Template"
              namespace={namespace}
              name={name}
              from={number(search.from)}
              to={number(search.to)}
              choose={(from, to) => set({ from: String(from), to: String(to) })}
              mayRestore={may}
            />
          )}
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}

function Delete({ template }: { template: Template }) {
  const { name, revision, namespace } = template.metadata;
  const may = useCan('template.delete', namespace ? { namespace } : {});
  const [asking, { open, close }] = useDisclosure(false);
  const navigate = useNavigate();
  if (!may) return null;
  return (
    <>
      <Button variant="default" leftSection={<IconTrash size={16} aria-hidden />} onClick={open}>
        Delete
      </Button>
      <Confirm
        opened={asking}
        close={close}
        title={`Delete ${name}?`}
        color="red.9"
        what={`Delete ${namespace}/${name}`}
        act={async () => {
          await client.DELETE('/api/v1/objects/{kind}/{name}', {
            params: { path: { kind: 'templates', name }, query: namespace ? { namespace } : {}, header: { 'If-Match': `"${revision}"` } },
          });
          await navigate({ to: '/templates', search: {} });
          invalidate('/api/v1/objects');
        }}
      >
        <Text size="sm">
          It can no longer be requested. Runs of it stay, with the revision they were made of; its revisions stay for the record. To stop
          requests for a while only, disable it instead.
        </Text>
      </Confirm>
    </>
  );
}
