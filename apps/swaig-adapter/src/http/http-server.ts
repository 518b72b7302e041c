import { FastifyAdapter } from '@nestjs/platform-fastify';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { type AgentPublished, type Requester } from '@countersign/contracts';
import { type RefusedCredentials } from '@countersign/hosting';
import {
  answerSeconds,
  followRequests,
  inTraceOf,
  receiveLimits,
  type Logger,
  type Tracer,
} from '@countersign/observability';
import { FairTurns } from '@countersign/fairness';
import { type AuthenticateAgent, type AuthenticatedAgent } from './authenticate-agent.js';
import { type OpenCapture, type OpenedCapture } from '../keypad/open-capture.use-case.js';
import { refusalBody } from './transport-refusals.js';

/** Largest body, in bytes; a whole transcript rarely exceeds 100 KiB. */
export const MAX_BODY_BYTES = 256 * 1024;

/** Longest token of a keypad entry, in characters: a call id of 256, a subject id of 128 and hashes, in base64. */
const MAX_TOKEN_LENGTH = 2048;
const FUNCTIONS_PATH = '/swaig';
const CAPTURE_PATH = '/swaig/capture/:token';

/** Fields of the log line of a request. They hold no unchecked input. */
export interface RequestLogFields {
  call?: string;
  function?: string;
  outcome?: string;
  fault?: string;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set for each request on `/swaig` that reaches its controller. */
    authenticated: AuthenticatedAgent | undefined;
    /** Set for each keypad entry that reaches its controller. */
    capture: OpenedCapture | undefined;
    logFields: RequestLogFields | undefined;
  }
}

/** What the HTTP server needs to authenticate, log and trace requests. */
export interface SwaigHttpServerOptions {
  readonly authenticate: AuthenticateAgent;
  readonly openCapture: OpenCapture;
  readonly refusedCredentials: RefusedCredentials;
  readonly logger: Logger;
  readonly tracer: Tracer | undefined;
  /** Time within which a request must arrive completely, in milliseconds. */
  readonly receiveMs: number;
}

/**
 * Creates the HTTP server in front of the controllers. It checks credentials before it reads the body, so a flood of
 * unauthenticated requests costs little.
 */
export function createSwaigHttpServer({
  authenticate,
  openCapture,
  refusedCredentials: refused,
  logger,
  tracer,
  receiveMs,
}: SwaigHttpServerOptions): FastifyAdapter {
  const adapter = new FastifyAdapter({
    logger: false,
    skipMiddie: true,
    multipart: false,
    bodyLimit: MAX_BODY_BYTES,
    http: receiveLimits(receiveMs),
    // Fastify overwrites the request timeout of the server, so it is repeated here.
    requestTimeout: receiveMs,
    // Requests that arrive while the service stops are still answered.
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: MAX_TOKEN_LENGTH },
    // Fastify answers a path that cannot be decoded before any hook runs.
    frameworkErrors: (_error: unknown, _request: FastifyRequest, reply: FastifyReply) =>
      void reply.code(404).send(refusalBody(404)),
  });
  const http = adapter.getInstance();
  const answerDuration = answerSeconds();
  const fairTurns = new FairTurns();

  // Keeps the raw bytes, because the platform's signature covers them.
  http.removeAllContentTypeParsers();
  http.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

  followRequests(http, tracer);
  http.decorateRequest('authenticated', undefined);
  http.decorateRequest('capture', undefined);
  http.decorateRequest('logFields', undefined);
  http.addHook('onRequest', (request, reply, done) => {
    if (request.routeOptions.url === CAPTURE_PATH) {
      request.capture = openCapture.open((request.params as { token: string }).token);
      if (request.capture) return fairTurns.begin(requesterOf(request.capture.agent), done);
      refused.count(request.ip);
      request.logFields = { outcome: 'unauthorized' };
      void reply.code(403).send(refusalBody(403));
      return;
    }
    if (request.routeOptions.url !== FUNCTIONS_PATH) return done();
    request.authenticated = authenticate.authenticate(request.headers.authorization);
    if (request.authenticated) return fairTurns.begin(requesterOf(request.authenticated.agent), done);
    refused.count(request.ip, authenticate.namedAgent(request.headers.authorization));
    request.logFields = { outcome: 'unauthorized' };
    void reply
      .code(401)
      .header('www-authenticate', 'Basic realm="countersign", charset="UTF-8"')
      .send(refusalBody(401));
  });
  let stopping = false;
  http.addHook('preClose', (done) => {
    stopping = true;
    done();
  });
  http.addHook('onResponse', (request, reply, done) => {
    if (request.routeOptions.url === FUNCTIONS_PATH || request.routeOptions.url === CAPTURE_PATH) {
      answerDuration.observe({ adapter: 'swaig' }, reply.elapsedTime / 1000);
      const fields = {
        source: request.ip,
        ...senderFields(request),
        ...request.logFields,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
      };
      inTraceOf(request, () => logger.info(fields, 'swaig'));
    }
    // A connection that was busy when the service began to stop would delay its end until the keep-alive timeout.
    if (stopping) setImmediate(() => http.server.closeIdleConnections());
    done();
  });
  return adapter;
}

/** The requester for fair scheduling. The caller is unknown before the body is read. */
const requesterOf = ({ tenant, agent }: AgentPublished): Requester => ({ tenant, agent, caller: '' });

/** The authenticated tenant and agent, for the log. */
function senderFields({ authenticated, capture }: FastifyRequest): { tenant?: string; agent?: string } {
  const agent = authenticated?.agent ?? capture?.agent;
  return agent === undefined ? {} : { tenant: agent.tenant, agent: agent.agent };
}
