import { METRICS } from '@countersign/observability';
import { type FastifyReply } from 'fastify';
import { type ClientRequest } from './authenticate.js';

const CONSOLE = /^\/console(\/|$)/;
/** Live streams, exports and imports, whose time says nothing about the service. */
const LASTING = /(\/stream|[/:]export|:import)$/;

/** Counts and times an answered request of the console: one for its files, and one with the cookie of a session. */
export function countConsoleRequest(request: ClientRequest, reply: FastifyReply): void {
  const route = request.routeOptions.url;
  if (route === undefined || LASTING.test(route)) return;
  if (request.isOfConsole !== true && !CONSOLE.test(route)) return;
  const outcome = reply.statusCode < 400 ? 'answered' : reply.statusCode < 500 ? 'refused' : 'failed';
  METRICS.consoleRequests.observe({ group: groupOf(route, request.url), outcome }, reply.elapsedTime / 1000);
}

/** The group of a route, by its pattern, which has no input. The files of the page share a pattern. */
function groupOf(route: string, url: string): string {
  if (CONSOLE.test(route)) {
    if (route.startsWith('/console/session')) return 'session';
    return url.startsWith('/console/assets/') ? 'assets' : 'page';
  }
  const [, group] = /^\/v1\/(?:tenants\/:tenant\/)?([\w-]+)/.exec(route) ?? [];
  return group ?? 'other';
}
