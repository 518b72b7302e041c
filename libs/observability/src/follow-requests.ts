import { type FastifyInstance, type FastifyRequest } from 'fastify';
import { newTrace, readTrace, runInTrace, type TraceContext } from './trace-context.js';
import { type Span, type Tracer } from './tracer.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set for every request that has reached the first hook. */
    trace: TraceContext | undefined;
    span: Span | undefined;
  }
}

/** Asked every few seconds by machines; of no interest to anybody who follows a call. */
const UNFOLLOWED = /^\/health\b/;

/**
 * Makes every request of an HTTP server a part of a trace: the caller's when its headers name one, else a new one. Must be
 * called before other hooks are added. What the handlers do belongs to the trace; `inTraceOf` says the same of a log line
 * that is written later.
 *
 * A span, if spans are recorded, is begun only after the hooks that refuse strangers: a flood of them must not flood the
 * collector. It tells method, pattern of the route and status; a path holds ids of people.
 */
export function followRequests(server: FastifyInstance, tracer: Tracer | undefined): void {
  server.decorateRequest('trace', undefined);
  server.decorateRequest('span', undefined);
  server.addHook('onRequest', (request, _reply, done) => {
    request.trace = readTrace(request.headers) ?? newTrace();
    done();
  });
  // The reading of a body loses the context of what runs: it is entered after that.
  server.addHook('preValidation', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown';
    if (tracer && !UNFOLLOWED.test(route)) {
      request.span = tracer.start({
        name: `${request.method} ${route}`,
        kind: 'server',
        parent: readTrace(request.headers),
        attributes: { 'http.request.method': request.method, 'http.route': route, 'url.scheme': request.protocol },
        startedAt: Date.now() - reply.elapsedTime,
      });
      request.trace = request.span.context;
    }
    const { span } = request;
    runInTrace(request.trace, done, span && ((errorType) => span.fail(errorType)));
  });
  server.addHook('onResponse', (request, reply, done) => {
    const { span } = request;
    if (span) {
      span.set({ 'http.response.status_code': reply.statusCode });
      if (reply.statusCode >= 500) span.fail(String(reply.statusCode));
      span.end();
    }
    done();
  });
}

/** Runs something as a part of the trace of a request, in a hook that no longer runs in it. */
export function inTraceOf(request: FastifyRequest, run: () => void): void {
  runInTrace(request.trace, run);
}
