import { type Requester } from '@countersign/contracts';
import { type RefusedCredentials } from '@countersign/hosting';
import { followRequests, inTraceOf, receiveLimits, type Logger, type Tracer } from '@countersign/observability';
import { FairTurns } from '@countersign/fairness';
import { withoutByteOrderMark } from '@countersign/runtime';
import { withoutRounding } from '@countersign/normalization';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { checkAccess, type Access, type Authenticator, type CallerRequest } from './authenticate.js';
import { Problem, sendProblem } from './problems.js';

/** Largest body, in bytes. */
export const BODY_LIMIT = 262_144;

/** Longest path parameter: 128 characters of a subject id, each percent-encoded. */
const PARAMETER_LIMIT = 384;

/** A merge patch (RFC 7396) is JSON too; what it means is the method's matter. */
const BODY_TYPES = ['application/json', 'application/merge-patch+json'];

/** A route as the server knows it. */
export interface KnownRoute {
  readonly method: string;
  /** With `:name` for parameters. */
  readonly url: string;
}

const HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

/**
 * The HTTP server below the controllers: limits, headers, authentication before the body is read, one log line.
 * Only JSON is parsed; Fastify's own parsers for other types are removed.
 * @param receiveMs longest time in which a request must have arrived whole
 */
export function createAdapter(tracer: Tracer | undefined, receiveMs: number): FastifyAdapter {
  const adapter = new FastifyAdapter({
    logger: false,
    bodyLimit: BODY_LIMIT,
    http: receiveLimits(receiveMs),
    // Fastify sets its own on the server that Node has made.
    requestTimeout: receiveMs,
    routerOptions: { maxParamLength: PARAMETER_LIMIT },
    return503OnClosing: false,
    frameworkErrors: (_error: unknown, _request: FastifyRequest, reply: FastifyReply) => {
      // The router could not read the address. No hook ran, so the headers are set here.
      sendProblem(reply.headers(HEADERS), new Problem('not-found'));
    },
  });
  const server = adapter.getInstance<FastifyInstance>();
  followRequests(server, tracer);
  server.removeAllContentTypeParsers();
  const parseJson = server.getDefaultJsonParser('error', 'error');
  server.addContentTypeParser(BODY_TYPES, { parseAs: 'string' }, (request, body, done) => {
    const text = withoutByteOrderMark(body as string);
    if (text === '') done(null, undefined);
    // A rounded number would be another one; as it stands here, the rule of its field refuses it by name.
    else void parseJson(request, withoutRounding(text), done);
  });
  return adapter;
}

/** Adds what happens to every request before and after its controller. @returns the routes, filled as Nest adds them */
export function guardEdge(
  adapter: FastifyAdapter,
  authenticator: Authenticator,
  refused: RefusedCredentials,
  logger: Logger,
): KnownRoute[] {
  const server = adapter.getInstance<FastifyInstance>();
  const routes: KnownRoute[] = [];
  const turns = new FairTurns();
  server.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) routes.push({ method: one, url });
  });
  server.addHook('onRequest', (request: CallerRequest, reply, done) => {
    void reply.headers(HEADERS);
    try {
      if (request.is404) throw unknownRoute(routes, request.url);
      const { access } = request.routeOptions.config as { access?: Access };
      if (access !== 'public') {
        // Before the body is read: a flood without a key costs a hash and no parsing.
        request.caller = authenticator.authenticate(request.headers.authorization);
        checkAccess(request.caller, access);
      }
      turns.begin(requesterOf(request), done);
    } catch (error) {
      if (error instanceof Problem && error.problem === 'unauthorized') refused.count(request.ip);
      done(error as Error);
    }
  });
  let stopping = false;
  server.addHook('preClose', (done) => {
    stopping = true;
    done();
  });
  server.addHook('onResponse', (request: FastifyRequest, reply: FastifyReply, done) => {
    // The pattern of the route: a path holds ids of people.
    const route = request.routeOptions.url ?? 'unknown';
    const { statusCode: status, elapsedTime } = reply;
    const note = {
      source: request.ip,
      ...senderOf(request),
      method: request.method,
      route,
      status,
      ms: Math.round(elapsedTime * 10) / 10,
    };
    inTraceOf(request, () => logger.info(note, 'request'));
    // A connection that was busy when the service stopped would keep it from ending until its keep-alive runs out.
    if (stopping) setImmediate(() => server.server.closeIdleConnections());
    done();
  });
  return routes;
}

/** The administrator, and whoever needs no key, is nobody's tenant. Callers are not known before the body is read. */
function requesterOf({ caller }: CallerRequest): Requester {
  if (caller?.scope !== 'verify') return { tenant: '', agent: '', caller: '' };
  return { tenant: caller.agent.tenant, agent: caller.agent.agent, caller: '' };
}

/** Who sent the request, as its key has proved. */
function senderOf({ caller }: CallerRequest): { tenant?: string; agent?: string; scope?: string } {
  switch (caller?.scope) {
    case undefined:
      return {};
    case 'manage':
      return { scope: 'manage' };
    case 'verify':
      return { tenant: caller.agent.tenant, agent: caller.agent.agent };
  }
}

function unknownRoute(routes: readonly KnownRoute[], url: string): Problem {
  const path = url.split('?', 1)[0] ?? '';
  const allowed = new Set(routes.filter((route) => matches(route.url, path)).map((route) => route.method));
  if (allowed.size === 0) return new Problem('not-found');
  return new Problem('method-not-allowed', undefined, { allow: [...allowed].sort().join(', ') });
}

function matches(pattern: string, path: string): boolean {
  const expected = pattern.split('/');
  const given = path.split('/');
  return (
    expected.length === given.length &&
    expected.every((part, index) => (part.startsWith(':') ? given[index] !== '' : part === given[index]))
  );
}
