import { type FastifyInstance, type FastifyReply } from 'fastify';
import { type Requester } from '@countersign/contracts';
import { type RefusedCredentials } from '@countersign/hosting';
import { accessOf, PUBLIC, RequestHooks } from '@countersign/http';
import { withoutRounding } from '@countersign/normalization';
import { withoutByteOrderMark } from '@countersign/runtime';
import { checkAccess, type Access, type Authenticator, type CallerRequest } from './authenticate.js';
import { Problem } from './problems.js';

/** Largest body, in bytes. */
export const BODY_LIMIT = 262_144;

/** Longest path parameter: 128 characters of a subject id, each percent-encoded. */
export const PARAMETER_LIMIT = 384;

/** A merge patch (RFC 7396) is JSON too; the method decides its meaning. */
const BODY_TYPES = ['application/json', 'application/merge-patch+json'];

/** Parses JSON. A number that JSON.parse would round becomes a fraction, which the rule of its field refuses by name. */
export function addJsonParser(server: FastifyInstance): void {
  const parseJson = server.getDefaultJsonParser('error', 'error');
  server.addContentTypeParser(BODY_TYPES, { parseAs: 'string' }, (request, body, done) => {
    const text = withoutByteOrderMark(body as string);
    if (text === '') done(null, undefined);
    else void parseJson(request, withoutRounding(text), done);
  });
}

/** Authenticates API clients, and describes their requests in the log. */
export class RestRequestHooks extends RequestHooks {
  constructor(
    private readonly authenticator: Authenticator,
    private readonly refused: RefusedCredentials,
  ) {
    super();
  }

  override authenticate(request: CallerRequest): Requester {
    const access = accessOf(request) as Access | undefined;
    if (access !== PUBLIC) {
      try {
        request.caller = this.authenticator.authenticate(request.headers.authorization);
      } catch (error) {
        if (error instanceof Problem && error.problem === 'unauthorized') this.refused.count(request.ip);
        throw error;
      }
      checkAccess(request.caller, access);
    }
    return requesterOf(request);
  }

  /** What the key of the request has proved about its sender. */
  override answered({ caller }: CallerRequest, _reply: FastifyReply): Record<string, unknown> {
    switch (caller?.scope) {
      case undefined:
        return {};
      case 'manage':
        return { scope: 'manage' };
      case 'verify':
        return { tenant: caller.agent.tenant, agent: caller.agent.agent };
    }
  }
}

/** Administrators and requests without a key share the turns of no tenant. Callers are unknown before the body is read. */
function requesterOf({ caller }: CallerRequest): Requester {
  if (caller?.scope !== 'verify') return { tenant: '', agent: '', caller: '' };
  return { tenant: caller.agent.tenant, agent: caller.agent.agent, caller: '' };
}
