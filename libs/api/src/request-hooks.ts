import { Injectable, Optional } from '@nestjs/common';
import { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { type Requester } from '@countersign/contracts';
import { RefusedCredentials, type Host } from '@countersign/hosting';
import { accessOf, needsOf, PUBLIC, RequestHooks, type HttpServerOptions } from '@countersign/http';
import { METRICS } from '@countersign/observability';
import { withoutRounding } from '@countersign/normalization';
import { withoutByteOrderMark } from '@countersign/runtime';
import {
  Authenticator,
  checkAccess,
  type Access,
  type ApiClient,
  type ClientRequest,
  type OperatorIdentity,
} from './authenticate.js';
import { countConsoleRequest } from './console-requests.js';
import { clientOfOperator, OperatorAuthentication, tenantsWith } from './operators.js';
import { Problem, sendProblem, type ProblemName } from './problems.js';
import { invalid } from './request.pipe.js';

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
    @Optional() private readonly operators?: OperatorAuthentication,
  ) {
    super();
  }

  override authenticate(request: ClientRequest): Requester | Promise<Requester> {
    const access = accessOf(request) as Access | undefined;
    if (access === PUBLIC) return requesterOf(request);
    const { tenant } = request.params as { tenant?: string };
    const operator = this.operators?.operatorOf(request, true);
    if (operator) return this.#admitOperator(request, operator, access, tenant);
    const check = (): void => {
      request.client = this.authenticator.authenticate(request.headers.authorization);
      checkAccess(request.client, access, tenant);
    };
    try {
      check();
    } catch (error) {
      this.#countRefusal(request, error);
      throw error;
    }
    request.checkAgain = check;
    return requesterOf(request);
  }

  async #admitOperator(
    request: ClientRequest,
    operator: Promise<OperatorIdentity>,
    access: Access | undefined,
    tenant: string | undefined,
  ): Promise<Requester> {
    const admit = (identity: OperatorIdentity): void => {
      request.client = admittedOperator(identity, request, access, tenant);
    };
    // With a header Authorization, it is a script.
    const isScript = request.headers.authorization !== undefined;
    request.isOfConsole = !isScript;
    try {
      admit(await operator);
    } catch (error) {
      // The id of a session has 256 random bits: nobody guesses it, and pages send ended ones.
      if (isScript) this.#countRefusal(request, error);
      countOperatorRefusal(error, isScript);
      throw error;
    }
    request.checkAgain = async (isUse = false) => {
      const again = this.operators?.operatorOf(request, isUse);
      if (!again) throw new Problem('unauthorized');
      admit(await again);
    };
    return requesterOf(request);
  }

  #countRefusal(request: ClientRequest, error: unknown): void {
    if (error instanceof Problem && error.problem === 'unauthorized') this.refused.count(request.ip);
  }

  /** What the key of the request has proved about its sender. */
  override answered(request: ClientRequest, reply: FastifyReply): Record<string, unknown> {
    countConsoleRequest(request, reply);
    const { client } = request;
    if (client === undefined) return {};
    const { actor, tenant, agent } = client;
    return { actor: actor.id ?? actor.kind, tenant, agent: agent?.agent };
  }
}

/** The administrator and requests without a key share the turns of no tenant. Callers are unknown before the body is read. */
function requesterOf({ client }: ClientRequest): Requester {
  return { tenant: client?.tenant ?? '', agent: client?.agent?.agent ?? '', caller: '' };
}

/** A refusal as a cross-site request is counted where it is found, because sign-in and sign-out know it too. */
function countOperatorRefusal(error: unknown, isScript: boolean): void {
  const reason = error instanceof Problem ? refusalReasonOf(error.problem, isScript) : undefined;
  if (reason !== undefined) METRICS.operatorRequestsRefused.inc({ reason });
}

function refusalReasonOf(problem: ProblemName, isScript: boolean): string | undefined {
  switch (problem) {
    case 'recent-sign-in-required':
      return 'recent_sign_in';
    // Who may not know of a tenant gets the answer for a tenant that does not exist.
    case 'not-found':
    case 'forbidden':
      return 'role';
    case 'unauthorized':
      return isScript ? 'token' : 'session_ended';
    default:
      return undefined;
  }
}

/** @throws Problem not-found, forbidden, recent-sign-in-required; invalid-request when the tenant of an event is ambiguous */
function admittedOperator(
  identity: OperatorIdentity,
  request: FastifyRequest,
  access: Access | undefined,
  tenant: string | undefined,
): ApiClient {
  // Routes of the audit log name their tenant in the query, or none.
  const ofEvents = access === 'audit' ? tenantOfEvents(identity, request) : undefined;
  const client = clientOfOperator(identity, tenant ?? ofEvents);
  checkAccess(client, access, tenant);
  if (needsOf(request).recentSignIn && !identity.isRecent) throw new Problem('recent-sign-in-required');
  return { ...client, ...(ofEvents !== undefined && { tenant: ofEvents }) };
}

/** The only tenant of which the request may read events. Undefined: all of them. */
function tenantOfEvents(identity: OperatorIdentity, { query }: FastifyRequest): string | undefined {
  const bound = tenantsWith(identity, 'audit');
  const { tenant } = query as { tenant?: unknown };
  if (bound === undefined || bound.length === 0) return undefined;
  if (typeof tenant === 'string') return tenant;
  if (bound.length === 1) return bound[0];
  throw invalid([{ field: 'tenant', rule: `must be given: your roles are bound to ${bound.join(', ')}` }]);
}
