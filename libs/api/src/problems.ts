import { applyDecorators, Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { type Violation } from '@countersign/contracts';
import { type Logger } from '@countersign/observability';
import { ServiceError } from '@countersign/runtime';
import { ApiExtension } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { type ShownLimit } from './shown-limits.js';

/** After a fault of the broker or of another service: long enough for a failover, short for a caller on the line. */
const RETRY_AFTER_SECONDS = 5;

interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** What the client reads: the reason, and what to do about it. */
  readonly detail: string;
  /** What leads to the problem, for docs/errors.md. */
  readonly causes: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** The closed list of problem types (RFC 9457): `urn:countersign:problem:<name>`. */
export const PROBLEMS = {
  'malformed-json': {
    status: 400,
    title: 'Malformed JSON',
    detail: 'The body is not JSON. Send one JSON object, encoded in UTF-8.',
    causes: [
      'A syntax error in the body, or an encoding other than UTF-8.',
      'A field `__proto__`, or a field `prototype` inside a field `constructor`. Such fields are refused whatever they hold.',
    ],
  },
  unauthorized: {
    status: 401,
    title: 'Unauthorized',
    detail: 'Send a valid key in the header Authorization: Bearer <key>.',
    causes: [
      'No `Authorization` header, another scheme, or more than one key.',
      'A session of an operator that has ended, or a token of the OpenID provider that is not valid for this API.',
      'An unknown or mistyped key, or a key that is disabled, has expired, or has been replaced by a rotation.',
    ],
    headers: { 'www-authenticate': 'Bearer' },
  },
  forbidden: {
    status: 403,
    title: 'Forbidden',
    detail: 'This key or role does not have the scope that this call needs. Use one that has it.',
    causes: [
      'A verification, a call state or an introspection with a key without the scope `verify`, such as `ADMIN_API_KEY`.',
      'A change with a key that has `manage:read` and not `manage`, or by an operator without the role for it.',
    ],
  },
  'recent-sign-in-required': {
    status: 403,
    title: 'Recent sign-in required',
    detail: 'Sign in again, with GET /console/session/sign-in?recent=1, and repeat the request.',
    causes: [
      'An operator erases a subject, disables or deletes an agent, an API key or a tenant, creates or rotates an API key, or loosens a policy, and last signed in more than `OPERATOR_RECENT_SECONDS` ago.',
    ],
  },
  'cross-site-request': {
    status: 403,
    title: 'Cross-site request',
    detail: 'Send the header X-CSRF-Token with the csrfToken of GET /console/session, from a page of this origin.',
    causes: [
      'A change with the cookie of a session, without its `csrfToken` in the header `X-CSRF-Token`.',
      'A request whose `Origin` or `Sec-Fetch-Site` names another site. Behind a proxy, set `CONSOLE_URL`.',
    ],
  },
  'audit-scope-missing': {
    status: 403,
    title: 'Scope audit is missing',
    detail: 'This request needs the scope audit beside manage. Use a key that has both.',
    causes: [
      'A webhook with `*`, or with kinds of events about callers, attempts, receipts, transfers, signals or refusals, was to be created, or its URL or kinds were to be changed.',
      'An API key with the scope audit was to be created or rotated: its text would permit to read events.',
    ],
  },
  'not-found': {
    status: 404,
    title: 'Not found',
    detail: 'There is no such resource, or this key has no access to it.',
    causes: [
      'An unknown path, or a tenant, agent, subject, credential, key, override, webhook, delivery or call that does not exist.',
      'A resource of another tenant, or a management call with a key without a management scope. Both get the same bytes as an unknown path.',
      'A path that cannot be decoded.',
    ],
  },
  'method-not-allowed': {
    status: 405,
    title: 'Method not allowed',
    detail: 'This resource does not have this method. The header Allow lists the methods that it has.',
    causes: ['A known path with a method that it does not have.'],
  },
  conflict: {
    status: 409,
    title: 'Conflict',
    detail: 'The name or telephone number already belongs to another resource. Choose another one.',
    causes: [
      'An agent of this name exists in the installation, in any tenant: names of agents are user names of HTTP Basic.',
      'Another subject of the tenant has one of the telephone numbers.',
    ],
  },
  'not-disabled': {
    status: 409,
    title: 'Tenant is enabled',
    detail: 'Disable the tenant first, with POST /v1/tenants/{tenant}/disable. Then delete it.',
    causes: ['A tenant that is not disabled was to be deleted. The two steps keep one mistaken call from deleting it.'],
  },
  'tenant-deleting': {
    status: 409,
    title: 'Tenant is being deleted',
    detail: 'The tenant is being deleted, so it cannot change. When reading it returns 404, its id can be used again.',
    causes: [
      'A change of a tenant, of one of its agents or of one of its keys, after the deletion of the tenant has begun.',
    ],
  },
  'idempotency-in-flight': {
    status: 409,
    title: 'Request in flight',
    detail: 'A request with this Idempotency-Key is in flight. Send it again in a few seconds.',
    causes: ['The first request with the `Idempotency-Key` has no answer yet.'],
  },
  'verification-ended': {
    status: 409,
    title: 'Verification ended',
    detail:
      'The verification under this Idempotency-Key no longer holds: its time is over, or its credential, its subject or ' +
      'its call has changed. Verify the caller again with a new key.',
    causes: ['A success is returned again only while it holds.'],
  },
  pruned: {
    status: 410,
    title: 'Pruned',
    detail: 'These entries of the log were removed, because their retention has ended. Their hashes remain.',
    causes: ['A bundle of entries of an old shard. The last entry `log.pruned` of the log states the range.'],
  },
  'precondition-failed': {
    status: 412,
    title: 'Precondition failed',
    detail:
      'The resource is not as If-Match or If-None-Match requires. Read it again and repeat the change with its new ETag.',
    causes: [
      '`If-Match` has no ETag that the resource has now: somebody changed it since it was read. A weak tag (`W/"…"`) never matches.',
      '`If-None-Match: *` in a `PUT`, and the resource exists.',
    ],
  },
  'too-large': {
    status: 413,
    title: 'Body too large',
    detail: 'A body has at most 262144 bytes.',
    causes: [
      'A body above 256 KiB. An import has no such limit: each of its lines has at most 16 KiB, and a longer one is rejected alone.',
    ],
  },
  'unsupported-media-type': {
    status: 415,
    title: 'Unsupported media type',
    detail: 'Send the body with Content-Type: application/json.',
    causes: [
      'A body with another content type, or without one. A merge patch can also be `application/merge-patch+json`.',
      'An import with another content type than `application/x-ndjson`, or `application/x-ndjson` in any other call.',
    ],
  },
  'invalid-request': {
    status: 422,
    title: 'Invalid request',
    detail: 'The request breaks the rules that are listed in violations.',
    causes: [
      'A field that is missing, unknown or breaks its rule. `violations` names up to 20 fields and rules, never a value.',
      'A PIN that is easy to guess, or one of the last five PINs of the subject.',
      'A policy that breaks a rule together with the policies above it, or is longer than 16 KiB with what it inherits.',
      'One more than a tenant can have: 1,000 agents, 1,000 API keys, 500 overrides, 20 webhooks.',
      'A key with an end that would create or rotate a key that ends later.',
      'A change that loosens what the level above protects, or ends an override of the administrator, by a key of a tenant.',
    ],
  },
  'idempotency-mismatch': {
    status: 422,
    title: 'Idempotency-Key was used before',
    detail: 'This Idempotency-Key was used for another request. Use a new key for a new request.',
    causes: ['Any difference in the body, also in the submitted PIN or answers.'],
  },
  'quota-exceeded': {
    status: 429,
    title: 'Quota exceeded',
    detail: "The agent's or the tenant's quota of requests is exhausted. Send it again after Retry-After seconds.",
    causes: [
      'A limit `agent` or `tenant` of the policy, or an override of it. `limitedBy` names it, and `RateLimit` and `RateLimit-Policy` show the quota.',
      'Too many enrolments: of one subject, then without `limitedBy`, or of the tenant.',
      'An import of the tenant runs already, or four imports run in this adapter. The same applies to exports.',
      'Limits of callers, calls and subjects are not problems: they are the outcome `rate_limited`.',
    ],
  },
  internal: {
    status: 500,
    title: 'Internal error',
    detail: 'The service failed. The fault was logged; contact the operator.',
    causes: ['A defect of the service. The log has the fault under the trace of the request.'],
  },
  unavailable: {
    status: 503,
    title: 'Unavailable',
    detail: 'No answer in time; a change may or may not have been made. Read the state, or send the request again.',
    causes: ['The broker, a database or another service is down or overloaded.'],
    headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
  },
} as const satisfies Record<string, ProblemKind>;
export type ProblemName = keyof typeof PROBLEMS;

export const PROBLEM_NAMES = Object.keys(PROBLEMS) as readonly ProblemName[];
export const typeOf = (name: ProblemName): string => `urn:countersign:problem:${name}`;

/** The key under which an operation lists the problems that only some operations have, until the document is complete. */
export const PROBLEMS_EXTENSION = 'x-problems';

/** States the problems of an operation that do not follow from its access and its body. */
export const Problems = (...names: readonly ProblemName[]): MethodDecorator =>
  applyDecorators(ApiExtension(PROBLEMS_EXTENSION, names));

/** Refuses a request. Thrown anywhere below the HTTP server, written by {@link sendProblem}. */
export class Problem extends Error {
  override readonly name = 'Problem';
  constructor(
    readonly problem: ProblemName,
    /** Only with `invalid-request`. */
    readonly violations?: readonly Violation[],
    readonly headers: Readonly<Record<string, string>> = {},
    /** Only with `quota-exceeded`. */
    readonly limitedBy?: ShownLimit,
  ) {
    super(problem);
  }
}

/** The problem that a client may learn about. Nothing of any other error is shown, because it may quote the request. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof ServiceError) return new Problem(error.retriable ? 'unavailable' : 'internal');
  return new Problem(problemOfStatus(statusOf(error)));
}

/** Fastify and Nest report what was wrong with a request by its status alone. */
function problemOfStatus(status: number): ProblemName {
  switch (status) {
    case 400:
      return 'malformed-json';
    case 404:
    case 414:
      return 'not-found';
    case 405:
      return 'method-not-allowed';
    case 413:
      return 'too-large';
    case 415:
      return 'unsupported-media-type';
    case 503:
      return 'unavailable';
    default:
      return 'internal';
  }
}

function statusOf(error: unknown): number {
  if (typeof error !== 'object' || error === null) return 500;
  const { statusCode, status } = error as { statusCode?: unknown; status?: unknown };
  const found = statusCode ?? status;
  return typeof found === 'number' ? found : 500;
}

/** A problem as JSON. */
export function problemBody({ problem, violations, limitedBy }: Problem): Readonly<Record<string, unknown>> {
  const { title, status, detail } = PROBLEMS[problem];
  return {
    ...{ type: typeOf(problem), title, status, detail },
    ...(violations === undefined ? {} : { violations }),
    ...(limitedBy === undefined ? {} : { limitedBy }),
  };
}

/**
 * The headers of a problem that differ for a browser that opens the address, in a window or a frame. It gets plain text, because
 * some browsers store a type that they do not show as a file. A page of the same site may read it in a frame.
 */
export function navigationHeaders({ headers }: FastifyRequest): Record<string, string> {
  if (headers['sec-fetch-mode'] !== 'navigate') return {};
  return {
    'content-type': 'text/plain; charset=utf-8',
    'content-security-policy': "default-src 'none'; frame-ancestors 'self'",
  };
}

/** Writes a problem as `application/problem+json`, except to a browser that opens the address. */
export function sendProblem(reply: FastifyReply, problem: Problem): void {
  const kind: ProblemKind = PROBLEMS[problem.problem];
  void reply
    .code(kind.status)
    .headers({ ...kind.headers, ...problem.headers, 'content-type': 'application/problem+json' })
    .headers(navigationHeaders(reply.request))
    .send(JSON.stringify(problemBody(problem)));
}

/** Turns every exception into an answer. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const problem = problemOf(error);
    if (PROBLEMS[problem.problem].status >= 500) this.logger.error({ err: error }, 'a request could not be served');
    sendProblem(host.switchToHttp().getResponse<FastifyReply>(), problem);
  }
}
