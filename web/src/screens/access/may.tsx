import { Text } from '@mantine/core';
import { useQueries } from '@tanstack/react-query';
import { api, type Schemas } from '~/api/client';
import { either } from '~/lib/text';
import { where } from './words';

/** Whether the caller may do something, and what it would take; unknown until the server has said so. */
export interface May {
  allowed: boolean | undefined;
  why: string;
}

const asks = (action: string, namespace?: string) => ({ params: { query: { action, ...(namespace ? { namespace } : {}) } } });

function read(data: Schemas['CanI'] | undefined, namespace?: string): May {
  if (data === undefined) return { allowed: undefined, why: '' };
  if (data.allowed) return { allowed: true, why: '' };
  if (data.policies.length > 0) return { allowed: false, why: `A policy forbids it: ${data.policies.join(', ')}.` };
  if (data.roles.length === 0) return { allowed: false, why: 'No role allows it; a policy could.' };
  return { allowed: false, why: `It takes the role ${either(data.roles)} ${where(namespace)}.` };
}

/** Whether the caller may, by the server's word. */
export function useMay(action: string, namespace?: string): May {
  const { data } = api.useQuery('get', '/api/v1/access/can-i', asks(action, namespace));
  return read(data, namespace);
}

/** The same in each of many namespaces; `''` is everywhere, and who may everywhere may in each. */
export function useMayIn(action: string, namespaces: string[]): (namespace: string) => boolean {
  const everywhere = useMay(action);
  const asked = everywhere.allowed === false ? namespaces : [];
  const answers = useQueries({
    queries: asked.map((namespace) => api.queryOptions('get', '/api/v1/access/can-i', asks(action, namespace))),
  });
  const allowed = new Set(asked.filter((_, n) => answers[n]?.data?.allowed));
  return (namespace) => everywhere.allowed === true || allowed.has(namespace);
}

/** Says once why the buttons are not there. */
export function WhyNot({ may, what }: { may: May; what: string }) {
  if (may.allowed !== false) return null;
  return (
    <Text size="sm" c="dimmed">
      You see this; {what} is for others. {may.why}
    </Text>
  );
}
