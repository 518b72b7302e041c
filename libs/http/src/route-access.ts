import { RouteConfig } from '@nestjs/platform-fastify';
import { type FastifyRequest } from 'fastify';

/** The access of routes that need no credentials. */
export const PUBLIC = 'public';

/** Declares which clients may call a route. The adapter's {@link RequestHooks} read it before they read the body. */
export const RouteAccess = (access: string, needs: RouteNeeds = {}): MethodDecorator =>
  RouteConfig({ access, ...needs });

/** What a route requires beside its access. */
export interface RouteNeeds {
  /** An operator must have signed in recently. */
  readonly recentSignIn?: true;
}

/** The declared access of the requested route; undefined for a route without a declaration, which no client may call. */
export function accessOf(request: FastifyRequest): string | undefined {
  return (request.routeOptions.config as { access?: string }).access;
}

/** What the requested route requires beside its access. */
export function needsOf(request: FastifyRequest): RouteNeeds {
  return request.routeOptions.config as RouteNeeds;
}
