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
import { refusal } from './transport-refusals.js';

/** Largest body, in bytes; a whole transcript rarely exceeds 100 KiB. */
export const BODY_LIMIT = 256 * 1024;

/** Longest token of a keypad entry: a call id of 256, a subject id of 128, hashes, in base64. */
const LONGEST_TOKEN = 2048;
const FUNCTIONS = '/swaig';
const CAPTURE = '/swaig/capture/:token';

/** What the one log line of a request says; never input that was not checked. */
export interface RequestNote {
  call?: string;
  function?: string;
  outcome?: string;
  fault?: string;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set for every request on `/swaig` that reaches its handler. */
    authenticated: AuthenticatedAgent | undefined;
    /** Set for every keypad entry that reaches its handler. */
    capture: OpenedCapture | undefined;
    note: RequestNote | undefined;
  }
}

/** Who opens, and who watches. */
export interface SwaigHttpServer {
  readonly authenticate: AuthenticateAgent;
  readonly openCapture: OpenCapture;
  readonly refused: RefusedCredentials;
  readonly logger: Logger;
  readonly tracer: Tracer | undefined;
  /** Longest time in which a request must have arrived whole, in milliseconds. */
  readonly receiveMs: number;
}

/**
 * The HTTP server in front of the controllers. It refuses what can be refused before a byte of the body is read:
 * strangers first, because they are the ones who come in floods.
 */
export function createHttpDoor({
  authenticate,
  openCapture,
  refused,
  logger,
  tracer,
  receiveMs,
}: SwaigHttpServer): FastifyAdapter {
  const adapter = new FastifyAdapter({
    logger: false,
    skipMiddie: true,
    multipart: false,
    bodyLimit: BODY_LIMIT,
    http: receiveLimits(receiveMs),
    // Fastify sets its own on the server that Node has made.
    requestTimeout: receiveMs,
    // What arrived while the service stops is answered, not refused.
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: LONGEST_TOKEN },
    // An address that cannot be decoded is answered before any hook runs.
    frameworkErrors: (_error: unknown, _request: FastifyRequest, reply: FastifyReply) =>
      void reply.code(404).send(refusal(404)),
  });
  const http = adapter.getInstance();
  const seconds = answerSeconds();
  const turns = new FairTurns();

  // The raw bytes are kept: the platform's signature is over them.
  http.removeAllContentTypeParsers();
  http.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

  followRequests(http, tracer);
  http.decorateRequest('authenticated', undefined);
  http.decorateRequest('capture', undefined);
  http.decorateRequest('note', undefined);
  http.addHook('onRequest', (request, reply, done) => {
    if (request.routeOptions.url === CAPTURE) {
      request.capture = openCapture.open((request.params as { token: string }).token);
      if (request.capture) return turns.begin(requesterOf(request.capture.agent), done);
      refused.count(request.ip);
      request.note = { outcome: 'unauthorized' };
      void reply.code(403).send(refusal(403));
      return;
    }
    if (request.routeOptions.url !== FUNCTIONS) return done();
    request.authenticated = authenticate.execute(request.headers.authorization);
    if (request.authenticated) return turns.begin(requesterOf(request.authenticated.agent), done);
    refused.count(request.ip, authenticate.namedAgent(request.headers.authorization));
    request.note = { outcome: 'unauthorized' };
    void reply.code(401).header('www-authenticate', 'Basic realm="countersign", charset="UTF-8"').send(refusal(401));
  });
  let stopping = false;
  http.addHook('preClose', (done) => {
    stopping = true;
    done();
  });
  http.addHook('onResponse', (request, reply, done) => {
    if (request.routeOptions.url === FUNCTIONS || request.routeOptions.url === CAPTURE) {
      seconds.observe({ adapter: 'swaig' }, reply.elapsedTime / 1000);
      const note = {
        source: request.ip,
        ...senderOf(request),
        ...request.note,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
      };
      inTraceOf(request, () => logger.info(note, 'swaig'));
    }
    // A connection that was busy when the service stopped would keep it from ending until its keep-alive runs out.
    if (stopping) setImmediate(() => http.server.closeIdleConnections());
    done();
  });
  return adapter;
}

/** Callers are not known before the body is read. */
const requesterOf = ({ tenant, agent }: AgentPublished): Requester => ({ tenant, agent, caller: '' });

/** Tenant and agent, as the credentials of the request have proved them. */
function senderOf({ authenticated, capture }: FastifyRequest): { tenant?: string; agent?: string } {
  const sender = authenticated?.agent ?? capture?.agent;
  return sender === undefined ? {} : { tenant: sender.tenant, agent: sender.agent };
}
