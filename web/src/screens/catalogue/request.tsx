import { Alert, Anchor, Text } from '@mantine/core';
import { IconBan } from '@tabler/icons-react';
import { Link, useParams, useSearch } from '@tanstack/react-router';
import { api } from '~/api/client';
import { Loading } from '~/components/loading';
import { Page } from '~/components/page';
import { ProblemView } from '~/components/problem';
import { Time } from '~/components/time';
import { useCan } from '~/session/session';
import { visible, visibleLine } from '~/lib/text';
import { useRules } from './break-glass';
import { RequestForm } from './request-form';
import { agreement, asTemplate, type Template, where } from './words';

/** One template, requested. */
export default function Screen() {
  const { namespace, template: name } = useParams({ from: '/signed-in/catalogue/$namespace/$template' });
  const search = useSearch({ from: '/signed-in/catalogue/$namespace/$template' });
  const { data, error, refetch } = api.useQuery('get', '/api/v1/objects/{kind}/{name}', {
    params: { path: { kind: 'templates', name }, query: { namespace } },
  });
  const may = useCan('run.request', { namespace, template: name });
  const rules = useRules(namespace);
  const template = data && asTemplate(data);
  if (!template || may === undefined)
    return <Page title={name}>{error ? <ProblemView error={error} retry={() => void refetch()} /> : <Loading />}</Page>;
  return (
    <Page
      title={visibleLine(template.spec.title)}
      about={
        <>
          {visible(template.spec.description ?? '')}
          <Text size="xs" mt={4}>
            {namespace}/{name}, revision {template.metadata.revision} by {template.metadata.author},{' '}
            <Time at={template.metadata.updatedAt} ago />. Runs on {where(template.spec)}. Needs {agreement(template.spec)}.
          </Text>
        </>
      }
      actions={
        <Anchor component={Link} to={`/templates/${namespace}/${name}`} size="sm">
          See the template
        </Anchor>
      }
    >
      <Shut template={template} may={may} alone={rules.length > 0} />
      {template.spec.enabled !== false && (may || rules.length > 0) && (
        <RequestForm key={`${namespace}/${name}`} template={template} prefill={search} mayAsk={may} rules={rules} />
      )}
    </Page>
  );
}

function Shut({ template, may, alone }: { template: Template; may: boolean; alone: boolean }) {
  const { revision, author, updatedAt, namespace } = template.metadata;
  if (template.spec.enabled === false)
    return (
      <Alert color="gray" icon={<IconBan aria-hidden />} title="Disabled" styles={{ title: { color: 'var(--mantine-color-text)' } }}>
        Its newest revision ({revision}, by {author}, <Time at={updatedAt} ago />) says that it may not be requested. Whoever may change
        templates can enable it again.
      </Alert>
    );
  if (!may)
    return (
      <Alert
        color="gray"
        icon={<IconBan aria-hidden />}
        title="You may look, not request"
        styles={{ title: { color: 'var(--mantine-color-text)' } }}
      >
        Requesting in {namespace} takes the role requester there. Ask an owner for it.
        {alone && ' In an emergency the trust root may let you start this alone, by break-glass: fill in the form, and say why.'}
      </Alert>
    );
  return null;
}
