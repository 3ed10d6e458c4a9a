/** Where in the console something is shown that an event is about. */
export interface Place {
  to: string;
  search?: Record<string, string>;
}

/** The screen of a subject such as `node/web-1`; none for what has no screen. */
export function placeOf(subject: string): Place | undefined {
  const [kind = '', ...rest] = subject.split('/');
  const name = rest.join('/');
  const one = encodeURIComponent;
  switch (kind) {
    case 'run':
      return { to: `/runs/${one(name)}` };
    case 'task':
      return { to: `/runs/${one(name.split('.')[0] ?? '')}` };
    case 'node':
      return { to: `/nodes/${one(name)}` };
    case 'join-token':
      return { to: '/nodes' };
    case 'template':
      return rest.length === 2 ? { to: `/templates/${one(rest[0] ?? '')}/${one(rest[1] ?? '')}` } : undefined;
    case 'user':
      return name === 'unknown' ? undefined : { to: '/access', search: { tab: 'people' } };
    case 'group':
      return { to: '/access', search: { tab: 'groups' } };
    case 'rolebinding':
      return { to: '/access', search: { tab: 'roles' } };
    case 'policy':
      return { to: '/access', search: { tab: 'policies' } };
    case 'namespace':
      return { to: '/access', search: { tab: 'namespaces' } };
    case 'trust':
      return { to: '/trust' };
    case 'api-key':
      return { to: '/me' };
    default:
      return undefined;
  }
}
