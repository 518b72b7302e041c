import { Injectable } from '@nestjs/common';
import { type FastifyInstance, type FastifyReply } from 'fastify';
import { type Requester } from '@countersign/contracts';
import { RefusedCredentials, type Host } from '@countersign/hosting';
import { accessOf, PUBLIC, RequestHooks, type HttpServerOptions } from '@countersign/http';
import { withoutRounding } from '@countersign/normalization';
import { withoutByteOrderMark } from '@countersign/runtime';
import { Authenticator, checkAccess, type Access, type ClientRequest } from './authenticate.js';
import { Problem, sendProblem } from './problems.js';

/** Largest body, in bytes. */
export const BODY_LIMIT = 262_144;

/** Longest path parameter: 128 characters of a subject id, each percent-encoded. */
const PARAMETER_LIMIT = 384;

/** A merge patch (RFC 7396) is JSON too; the method decides its meaning. */
const BODY_TYPES = ['application/json', 'application/merge-patch+json'];

/** What a service with an API adds to the HTTP server of every API. */
export type ApiServerOptions = Pick<HttpServerOptions, 'port'> &
  Partial<Pick<HttpServerOptions, 'corsOrigins' | 'addBodyParsers'>>;

/** How the HTTP server of an API reads requests: JSON, and what `addBodyParsers` adds. */
export function apiServerOptions(
  { listener, logger, tracer }: Host,
  { addBodyParsers, ...own }: ApiServerOptions,
): HttpServerOptions {
  return {
    listener,
    ...own,
    maxBodyBytes: BODY_LIMIT,
    maxParamLength: PARAMETER_LIMIT,
    logger,
    tracer,
    addBodyParsers: (server) => {
      addJsonParser(server);
      addBodyParsers?.(server);
    },
    sendNotFound: (reply) => sendProblem(reply, new Problem('not-found')),
  };
}

/** Parses JSON. A number that JSON.parse would round becomes a fraction, which the rule of its field refuses by name. */
function addJsonParser(server: FastifyInstance): void {
  const parseJson = server.getDefaultJsonParser('error', 'error');
  server.addContentTypeParser(BODY_TYPES, { parseAs: 'string' }, (request, body, done) => {
    const text = withoutByteOrderMark(body as string);
    if (text === '') done(null, undefined);
    else void parseJson(request, withoutRounding(text), done);
  });
}

/** Authenticates API clients, and describes their requests in the log. */
@Injectable()
export class ApiRequestHooks extends RequestHooks {
  constructor(
    private readonly authenticator: Authenticator,
    private readonly refused: RefusedCredentials,
  ) {
    super();
  }

  override authenticate(request: ClientRequest): Requester {
    const access = accessOf(request) as Access | undefined;
    if (access !== PUBLIC) {
      const { tenant } = request.params as { tenant?: string };
      const check = (): void => {
        request.client = this.authenticator.authenticate(request.headers.authorization);
        checkAccess(request.client, access, tenant);
      };
      try {
        check();
      } catch (error) {
        if (error instanceof Problem && error.problem === 'unauthorized') this.refused.count(request.ip);
        throw error;
      }
      request.checkAgain = check;
    }
    return requesterOf(request);
  }

  /** What the key of the request has proved about its sender. */
  override answered({ client }: ClientRequest, _reply: FastifyReply): Record<string, unknown> {
    if (client === undefined) return {};
    const { actor, tenant, agent } = client;
    return { actor: actor.id ?? actor.kind, tenant, agent: agent?.agent };
  }
}

/** The administrator and requests without a key share the turns of no tenant. Callers are unknown before the body is read. */
function requesterOf({ client }: ClientRequest): Requester {
  return { tenant: client?.tenant ?? '', agent: client?.agent?.agent ?? '', caller: '' };
}
