import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet, redirect } from '@tanstack/react-router';
import { setHooks } from '~/api/client';
import { ApiError, CODE } from '~/api/problem';
import { Loading } from '~/components/loading';
import { ProblemView } from '~/components/problem';
import { base } from '~/lib/base';
import { forgetSession, loadSession, takeToken } from '~/session/session';
import { stepUp } from '~/session/step-up';
import { NotFound } from './not-found';
import { SCREENS } from './screens';
import { Shell } from './shell';

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound });

/** Where somebody goes who has to sign in first, with the way back. */
const toSignIn = (from: string) => redirect({ to: '/sign-in', search: from === '/' ? {} : { next: from } });

const signedIn = createRoute({
  getParentRoute: () => root,
  id: 'signed-in',
  beforeLoad: async ({ location }) => {
    try {
      return { me: await loadSession() };
    } catch (error) {
      if (error instanceof ApiError && error.problem.status === 401) throw toSignIn(location.href);
      throw error;
    }
  },
  component: function SignedIn() {
    const { me } = signedIn.useRouteContext();
    return <Shell me={me} />;
  },
});

type Search = Record<string, string | undefined>;
/** Filters live in the address: every value is text, nothing is dropped. What looked like JSON was read already. */
const text = (value: unknown): string | undefined =>
  value === undefined || value === null ? undefined : typeof value === 'object' ? JSON.stringify(value) : String(value);
const filters = (search: Record<string, unknown>): Search =>
  Object.fromEntries(Object.entries(search).map(([name, value]) => [name, text(value)]));

const doors = [
  createRoute({
    getParentRoute: () => root,
    path: '/sign-in',
    validateSearch: filters,
    component: lazyRouteComponent(SCREENS['/sign-in']),
  }),
  createRoute({ getParentRoute: () => root, path: '/setup', component: lazyRouteComponent(SCREENS['/setup']) }),
];

const screens = [
  createRoute({ getParentRoute: () => signedIn, path: '/', component: lazyRouteComponent(SCREENS['/']) }),
  createRoute({
    getParentRoute: () => signedIn,
    path: '/catalogue',
    validateSearch: filters,
    component: lazyRouteComponent(SCREENS['/catalogue']),
  }),
  createRoute({
    getParentRoute: () => signedIn,
    path: '/catalogue/$namespace/$template',
    validateSearch: filters,
    component: lazyRouteComponent(SCREENS['/catalogue/$namespace/$template']),
  }),
  createRoute({
    getParentRoute: () => signedIn,
    path: '/runs',
    validateSearch: filters,
    component: lazyRouteComponent(SCREENS['/runs']),
  }),
  createRoute({
    getParentRoute: () => signedIn,
    path: '/runs/$id',
    validateSearch: filters,
    component: lazyRouteComponent(SCREENS['/runs/$id']),
  }),
  createRoute({
    getParentRoute: () => signedIn,
    path: '/runs/$id/compare/$other',
    component: lazyRouteComponent(SCREENS['/runs/$id/compare/$other']),
  }),
  createRoute({
    getParentRoute: () => signedIn,
    path: '/nodes',
    validateSearch: filters,
    component: lazyRouteComponent(SCREENS['/nodes']),
  }),
  createRoute({
    getParentRoute: () => signedIn,
    path: '/nodes/$name',
    component: lazyRouteComponent(SCREENS['/nodes/$name']),
  }),
  createRoute({
    getParentRoute: () => signedIn,
    path: '/overview',
    validateSearch: filters,
    component: lazyRouteComponent(SCREENS['/overview']),
  }),
  createRoute({
    getParentRoute: () => signedIn,
    path: '/history',
    validateSearch: filters,
    component: lazyRouteComponent(SCREENS['/history']),
  }),
  createRoute({
    getParentRoute: () => signedIn,
    path: '/events',
    validateSearch: filters,
    component: lazyRouteComponent(SCREENS['/events']),
  }),
  createRoute({
    getParentRoute: () => signedIn,
    path: '/audit',
    validateSearch: filters,
    component: lazyRouteComponent(SCREENS['/audit']),
  }),
  createRoute({
    getParentRoute: () => signedIn,
    path: '/access',
    validateSearch: filters,
    component: lazyRouteComponent(SCREENS['/access']),
  }),
  createRoute({
    getParentRoute: () => signedIn,
    path: '/trust',
    validateSearch: filters,
    component: lazyRouteComponent(SCREENS['/trust']),
  }),
  createRoute({
    getParentRoute: () => signedIn,
    path: '/templates',
    validateSearch: filters,
    component: lazyRouteComponent(SCREENS['/templates']),
  }),
  createRoute({
    getParentRoute: () => signedIn,
    path: '/templates/$namespace/$name',
    validateSearch: filters,
    component: lazyRouteComponent(SCREENS['/templates/$namespace/$name']),
  }),
  createRoute({
    getParentRoute: () => signedIn,
    path: '/api',
    validateSearch: filters,
    component: lazyRouteComponent(SCREENS['/api']),
  }),
  createRoute({
    getParentRoute: () => signedIn,
    path: '/me',
    validateSearch: filters,
    component: lazyRouteComponent(SCREENS['/me']),
  }),
];

export const router = createRouter({
  routeTree: root.addChildren([...doors, signedIn.addChildren(screens)]),
  basepath: base,
  defaultPreload: 'intent',
  defaultPendingComponent: Loading,
  defaultErrorComponent: ({ error, reset }) => <ProblemView error={error} retry={reset} />,
  scrollRestoration: true,
});

setHooks({
  stepUp,
  takeToken,
  signedOut: () => {
    const here = router.state.location;
    if (here.pathname === '/sign-in' || here.pathname === '/setup') return;
    forgetSession();
    void router.navigate({ to: '/sign-in', search: { next: here.href, ended: CODE.sessionEnded } });
  },
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
