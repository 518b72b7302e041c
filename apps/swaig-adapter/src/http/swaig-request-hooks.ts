import { ForbiddenException, Injectable, NotFoundException, UnauthorizedException } from '@nestjs/common';
import { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { type AgentPublished, type Requester } from '@countersign/contracts';
import { RefusedCredentials } from '@countersign/hosting';
import { accessOf, PUBLIC, RequestHooks } from '@countersign/http';
import { answerSeconds } from '@countersign/observability';
import { AuthenticateAgent, type AuthenticatedAgent } from './authenticate-agent.js';
import { OpenCapture, type OpenedCapture } from '../keypad/open-capture.use-case.js';
import { refusalBody } from './transport-refusals.js';

/** Largest body, in bytes; a whole transcript rarely exceeds 100 KiB. */
export const MAX_BODY_BYTES = 256 * 1024;

/** How the HTTP server reads requests of the platform. */
export const SWAIG_HTTP = {
  maxBodyBytes: MAX_BODY_BYTES,
  /** For the token of a keypad entry: a call id of 256 characters, a subject id of 128 and hashes, in base64. */
  maxParamLength: 2048,
  ignoreTrailingSlash: true,
  /** Keeps the raw bytes, because the platform's signature covers them. */
  addBodyParsers: (server: FastifyInstance): void => {
    server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  },
  sendNotFound: (reply: FastifyReply): void => void reply.code(404).send(refusalBody(404)),
};

/** The access of `POST /swaig`: Basic credentials of an agent. */
export const AGENT = 'agent';
/** The access of a keypad entry: the token in the path. */
export const CAPTURE = 'capture';

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
    authenticated?: AuthenticatedAgent;
    /** Set for each keypad entry that reaches its controller. */
    capture?: OpenedCapture;
    logFields?: RequestLogFields;
  }
}

/** Authenticates agents and keypad entries, and describes their requests in the log. */
@Injectable()
export class SwaigRequestHooks extends RequestHooks {
  readonly #seconds = answerSeconds();

  constructor(
    private readonly authenticateAgent: AuthenticateAgent,
    private readonly openCapture: OpenCapture,
    private readonly refused: RefusedCredentials,
  ) {
    super();
  }

  override authenticate(request: FastifyRequest, reply: FastifyReply): Requester | undefined {
    switch (accessOf(request)) {
      case PUBLIC:
        return undefined;
      case AGENT:
        return requesterOf(this.#authenticateAgent(request, reply).agent);
      case CAPTURE:
        return requesterOf(this.#openCapture(request).agent);
      default:
        throw new NotFoundException();
    }
  }

  override answered(request: FastifyRequest, reply: FastifyReply): Record<string, unknown> {
    const { authenticated, capture, logFields } = request;
    if (!request.is404) this.#seconds.observe({ adapter: 'swaig' }, reply.elapsedTime / 1000);
    const agent = authenticated?.agent ?? capture?.agent;
    return { ...(agent && { tenant: agent.tenant, agent: agent.agent }), ...logFields };
  }

  #authenticateAgent(request: FastifyRequest, reply: FastifyReply): AuthenticatedAgent {
    const { authorization } = request.headers;
    const authenticated = this.authenticateAgent.authenticate(authorization);
    if (authenticated) return (request.authenticated = authenticated);
    this.refused.count(request.ip, this.authenticateAgent.namedAgent(authorization));
    request.logFields = { outcome: 'unauthorized' };
    void reply.header('www-authenticate', 'Basic realm="countersign", charset="UTF-8"');
    throw new UnauthorizedException();
  }

  #openCapture(request: FastifyRequest): OpenedCapture {
    const capture = this.openCapture.open((request.params as { token: string }).token);
    if (capture) return (request.capture = capture);
    this.refused.count(request.ip);
    request.logFields = { outcome: 'unauthorized' };
    throw new ForbiddenException();
  }
}

/** The requester for fair turns. The caller is unknown before the body is read. */
const requesterOf = ({ tenant, agent }: AgentPublished): Requester => ({ tenant, agent, caller: '' });
