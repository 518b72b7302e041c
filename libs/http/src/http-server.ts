import { randomUUID } from 'node:crypto';
import { type RequestListener, type Server } from 'node:http';
import { type Socket } from 'node:net';
import { MethodNotAllowedException, NotFoundException, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { type Requester } from '@countersign/contracts';
import { FairTurns } from '@countersign/fairness';
import { clientCertificateOf, schemeOf, type HttpListener } from '@countersign/http-listener';
import { NestLogger, type Logger, type Tracer } from '@countersign/observability';
import { followRequests, inTraceOf, isHealthRoute } from './follow-requests.js';
import { isLongBody } from './long-bodies.js';

/**
 * Answers contain secrets and states of calls: no proxy may store them. No browser may guess their type, show them in a page
 * of another site, run anything of them, or name their address to another site.
 */
const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
};
/** Browsers use TLS only, for a year. Browsers ignore it without TLS. */
const TLS_ONLY = { 'strict-transport-security': 'max-age=31536000' };

/** The headers that a page of another origin may send, and those that it may read. A page cannot send cookies. */
const CORS = {
  methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
  allowedHeaders: ['authorization', 'content-type', 'idempotency-key', 'if-match', 'if-none-match'],
  exposedHeaders: ['request-id', 'etag', 'location', 'retry-after', 'ratelimit', 'ratelimit-policy'],
  maxAge: 600,
};

/** Carries the id of a request in its answer, so that a client can name the line of the log. */
const REQUEST_ID = 'request-id';

const answerHeaders = ({ id, server }: FastifyRequest): Record<string, string> => ({
  ...SECURITY_HEADERS,
  ...(schemeOf(server.server) === 'https' ? TLS_ONLY : {}),
  [REQUEST_ID]: id,
});

/** A route of the server, as Fastify reports it. */
export interface ServedRoute {
  readonly method: string;
  /** With `/:name` for parameters. */
  readonly url: string;
}

/** What an adapter does before the body of a request is read and after its answer is sent. Its module provides the class. */
export abstract class RequestHooks {
  /**
   * Authenticates a request by its route, headers and path. It runs as a Fastify hook, because Nest calls guards only after
   * the body was read and parsed, and a flood of requests without credentials must not cost that.
   * @returns the requester that takes a turn; undefined for a request that needs none. A promise when another service must answer
   * @throws the exception that the filter of the adapter turns into the refusal
   */
  abstract authenticate(
    request: FastifyRequest,
    reply: FastifyReply,
  ): Requester | undefined | Promise<Requester | undefined>;

  /** Called once per request, after its answer. @returns fields for the log line, without unchecked input */
  abstract answered(request: FastifyRequest, reply: FastifyReply): Readonly<Record<string, unknown>>;
}

/** How an adapter's server reads requests. */
export interface HttpServerOptions {
  /** Its settings give the address, TLS, limits and trusted proxies. */
  readonly listener: HttpListener;
  /** 0 picks a free port. */
  readonly port: number;
  /** Largest body, in bytes. */
  readonly maxBodyBytes: number;
  /** Longest path parameter, in characters as sent. */
  readonly maxParamLength: number;
  readonly ignoreTrailingSlash?: boolean;
  /** Origins whose pages may call this server from a browser; none by default. */
  readonly corsOrigins?: readonly string[];
  readonly logger: Logger;
  /** Undefined: spans are not recorded. */
  readonly tracer: Tracer | undefined;
  /** Adds the parsers of the accepted content types. The server answers 415 to all others. */
  readonly addBodyParsers: (server: FastifyInstance) => void;
  /** Answers a request with a path that cannot be decoded. Fastify reports it before any hook or filter runs. */
  readonly sendNotFound: (reply: FastifyReply) => void;
}

/** The HTTP server of an adapter: a Nest application on Fastify with limits, authentication, turns and one log line per request. */
export class HttpServer {
  private constructor(
    private readonly app: NestFastifyApplication,
    /** With the port that is bound. */
    readonly url: string,
    readonly routes: readonly ServedRoute[],
  ) {}

  /**
   * Opens the port. The module must provide {@link RequestHooks} and a filter for exceptions (`APP_FILTER`).
   * @throws Error of the system when the port is taken; nothing stays open then
   */
  static async start(module: Type | object, options: HttpServerOptions): Promise<HttpServer> {
    const { listener, port, logger, corsOrigins = [] } = options;
    const app = await NestFactory.create<NestFastifyApplication>(module, createFastifyAdapter(options), {
      bodyParser: false,
      abortOnError: false,
      logger: new NestLogger(logger),
    });
    if (corsOrigins.length > 0) app.enableCors({ ...CORS, origin: [...corsOrigins] });
    const routes = addHooks(app.getHttpAdapter().getInstance(), app.get(RequestHooks), options);
    keepLongBodies(app.getHttpServer());
    try {
      await app.listen(port, listener.settings.HOST);
    } catch (error) {
      await app.close().catch(() => undefined);
      throw error;
    }
    return new HttpServer(app, listener.urlOf(app.getHttpServer()), routes);
  }

  /** Completes the requests in flight and accepts no more. */
  close(): Promise<void> {
    return this.app.close();
  }
}

function createFastifyAdapter(options: HttpServerOptions): FastifyAdapter {
  const { listener, maxBodyBytes, maxParamLength, ignoreTrailingSlash = false, sendNotFound } = options;
  const adapter = new FastifyAdapter({
    logger: false,
    // An id that the client sends is ignored: it could name the request of another client.
    requestIdHeader: false,
    genReqId: () => randomUUID(),
    skipMiddie: true,
    multipart: false,
    bodyLimit: maxBodyBytes,
    serverFactory: (handler: RequestListener) => listener.createServer(handler),
    // The listener answers invalid requests.
    clientErrorHandler: () => undefined,
    trustProxy: listener.isTrusted,
    // Requests that arrive while the service stops are still answered.
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash, maxParamLength },
    frameworkErrors: (_error: unknown, request: FastifyRequest, reply: FastifyReply) =>
      sendNotFound(reply.headers(answerHeaders(request))),
  });
  const server = adapter.getInstance<FastifyInstance>();
  server.removeAllContentTypeParsers();
  options.addBodyParsers(server);
  return adapter;
}

/** Keeps connections with a body that may take longer than the limit of a request; the route limits the pauses in it. */
function keepLongBodies(server: Server): void {
  const listeners = server.listeners('clientError') as ((error: Error, socket: Socket) => void)[];
  server.removeAllListeners('clientError');
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && isLongBody(socket)) return;
    for (const refuse of listeners) refuse(error, socket);
  });
}

/** @returns the routes, filled when the application adds them */
function addHooks(
  server: FastifyInstance,
  hooks: RequestHooks,
  { listener, logger, tracer, ignoreTrailingSlash = false }: HttpServerOptions,
): ServedRoute[] {
  const routes: ServedRoute[] = [];
  const fairTurns = new FairTurns();
  let isStopping = false;
  server.addHook('onRoute', ({ method, url }) => {
    // Two colons stand for one that begins no parameter.
    for (const one of [method].flat()) routes.push({ method: one, url: url.replaceAll('::', ':') });
  });
  followRequests(server, tracer);
  server.addHook('onRequest', (request, reply, done) => {
    void reply.headers(answerHeaders(request));
    try {
      if (request.is404) refuseUnknownRoute(routes, ignoreTrailingSlash, request, reply);
      const begin = (requester: Requester | undefined): void => {
        if (requester === undefined) done();
        else fairTurns.begin(requester, done);
      };
      const found = hooks.authenticate(request, reply);
      if (found instanceof Promise) found.then(begin, (error: unknown) => done(error as Error));
      else begin(found);
    } catch (error) {
      done(error as Error);
    }
  });
  server.addHook('preClose', (done) => {
    isStopping = true;
    listener.endUnused(server.server);
    done();
  });
  server.addHook('onResponse', (request, reply, done) => {
    // The pattern of the route, because the path contains personal ids.
    const route = request.routeOptions.url ?? 'unknown';
    if (!isHealthRoute(route)) {
      const fields = {
        requestId: request.id,
        source: request.ip,
        clientCertificate: clientCertificateOf(request.raw.socket),
        ...hooks.answered(request, reply),
        method: request.method,
        route,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
      };
      inTraceOf(request, () => logger.info(fields, 'request'));
    }
    // A connection that was busy when the service began to stop would delay its end until the keep-alive timeout.
    if (isStopping) setImmediate(() => server.server.closeIdleConnections());
    done();
  });
  return routes;
}

/** @throws MethodNotAllowedException, with the header Allow, for a path with other methods; NotFoundException for others */
function refuseUnknownRoute(
  routes: readonly ServedRoute[],
  ignoreTrailingSlash: boolean,
  request: FastifyRequest,
  reply: FastifyReply,
): never {
  const sent = request.url.replace(/\?.*$/s, '');
  const path = ignoreTrailingSlash ? sent.replace(/(?<=.)\/$/, '') : sent;
  const allowed = new Set(routes.filter((route) => matches(route.url, path)).map((route) => route.method));
  if (allowed.size === 0) throw new NotFoundException();
  void reply.header('allow', [...allowed].sort().join(', '));
  throw new MethodNotAllowedException();
}

function matches(pattern: string, path: string): boolean {
  const expected = pattern.split('/');
  const parts = path.split('/');
  return (
    expected.length === parts.length &&
    expected.every((part, index) => (part.startsWith(':') ? parts[index] !== '' : part === parts[index]))
  );
}
