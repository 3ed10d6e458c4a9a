/** What shows each address, loaded when somebody goes there. A part that begins with `$` may be anything. */
export const SCREENS = {
  '/': () => import('~/screens/inbox'),
  '/sign-in': () => import('~/screens/sign-in'),
  '/setup': () => import('~/screens/setup'),
  '/catalogue': () => import('~/screens/catalogue'),
  '/catalogue/$namespace/$template': () => import('~/screens/catalogue/request'),
  '/runs': () => import('~/screens/runs'),
  '/runs/$id': () => import('~/screens/runs/run'),
  '/runs/$id/compare/$other': () => import('~/screens/runs/compare'),
  '/nodes': () => import('~/screens/nodes'),
  '/nodes/$name': () => import('~/screens/nodes/node'),
  '/overview': () => import('~/screens/overview'),
  '/history': () => import('~/screens/history'),
  '/events': () => import('~/screens/events'),
  '/audit': () => import('~/screens/audit'),
  '/access': () => import('~/screens/access'),
  '/trust': () => import('~/screens/trust'),
  '/templates': () => import('~/screens/templates'),
  '/templates/$namespace/$name': () => import('~/screens/templates/edit'),
  '/api': () => import('~/screens/api'),
  '/me': () => import('~/screens/me'),
} as const;

/** Where people come who are not signed in. */
const DOORS: readonly string[] = ['/sign-in', '/setup'];

/** What shows an address, and whether one has to be signed in for it; `undefined` where there is no screen. */
export function screenAt(path: string): { load: () => Promise<unknown>; door: boolean } | undefined {
  const parts = path.replace(/(?<=.)\/$/, '').split('/');
  const fits = (pattern: string): boolean => {
    const wanted = pattern.split('/');
    return wanted.length === parts.length && wanted.every((part, n) => part === parts[n] || (part.startsWith('$') && parts[n] !== ''));
  };
  const found = Object.entries(SCREENS).find(([pattern]) => fits(pattern));
  return found && { load: found[1], door: DOORS.includes(found[0]) };
}
