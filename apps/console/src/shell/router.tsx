import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';
import { Loading, NotFound, PageFailed } from './fallbacks.js';
import { Shell } from './shell.js';
import { SignedInPage } from './signed-in-page.js';

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });
const getParentRoute = (): typeof root => root;

/** Every page. The code of a page is loaded when it is opened. Its entry in the navigation is in navigation.ts. */
const routeTree = root.addChildren([
  createRoute({
    getParentRoute,
    path: '/',
    component: lazyRouteComponent(() => import('../pages/overview/overview-page.js')),
  }),
  createRoute({
    getParentRoute,
    path: '/live',
    component: lazyRouteComponent(() => import('../pages/live/live-page.js')),
  }),
  createRoute({
    getParentRoute,
    path: '/subjects',
    component: lazyRouteComponent(() => import('../pages/subjects/subjects-page.js')),
  }),
  createRoute({
    getParentRoute,
    path: '/subjects/$tenant/$subject',
    component: lazyRouteComponent(() => import('../pages/subjects/subject-page.js')),
    validateSearch: ({ action }: Record<string, unknown>): { action?: string } =>
      typeof action === 'string' ? { action } : {},
  }),
  createRoute({
    getParentRoute,
    path: '/attacks',
    component: lazyRouteComponent(() => import('../pages/attacks/attacks-page.js')),
  }),
  createRoute({
    getParentRoute,
    path: '/tenants',
    component: lazyRouteComponent(() => import('../pages/tenants/tenants-page.js')),
  }),
  createRoute({
    getParentRoute,
    path: '/audit',
    component: lazyRouteComponent(() => import('../pages/audit/audit-page.js')),
  }),
  createRoute({ getParentRoute, path: '/signed-in', component: SignedInPage }),
  createRoute({
    getParentRoute,
    path: '/webhooks',
    component: lazyRouteComponent(() => import('../pages/webhooks/webhooks-page.js')),
  }),
  createRoute({
    getParentRoute,
    path: '/webhooks/$tenant/$webhook',
    component: lazyRouteComponent(() => import('../pages/webhooks/deliveries-page.js')),
  }),
]);

export const router = createRouter({
  routeTree,
  basepath: '/console',
  defaultPendingComponent: Loading,
  defaultErrorComponent: PageFailed,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
