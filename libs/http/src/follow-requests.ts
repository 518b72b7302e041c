import { type FastifyInstance, type FastifyRequest } from 'fastify';
import { newTrace, readTrace, runInTrace, type Span, type TraceContext, type Tracer } from '@countersign/observability';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set in the first hook. */
    trace: TraceContext | undefined;
    span: Span | undefined;
  }
}

/** Health probes every few seconds would bury the spans and log lines of calls. */
export const isHealthRoute = (route: string): boolean => /^\/health\b/.test(route);

/**
 * Makes every request of an HTTP server part of a trace: the client's if its headers contain one, otherwise a new one. Call
 * it before other hooks are added. Handlers run in the trace; use `inTraceOf` for a log line that is written later.
 *
 * A span starts after the hooks that authenticate, so a flood of unauthenticated requests does not flood the collector. It
 * contains method, route pattern and status, but not the path, which contains personal ids.
 */
export function followRequests(server: FastifyInstance, tracer: Tracer | undefined): void {
  server.decorateRequest('trace', undefined);
  server.decorateRequest('span', undefined);
  server.addHook('onRequest', (request, _reply, done) => {
    request.trace = readTrace(request.headers) ?? newTrace();
    done();
  });
  // Node loses the async context while it reads the body, so the trace is entered after that.
  server.addHook('preValidation', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown';
    if (tracer && !isHealthRoute(route)) {
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

/** Runs a function in the trace of a request, from a hook that runs outside of it. */
export function inTraceOf(request: FastifyRequest, run: () => void): void {
  runInTrace(request.trace, run);
}
