import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { type Violation } from '@countersign/contracts';
import { type Logger } from '@countersign/observability';
import { ServiceError } from '@countersign/runtime';
import { type FastifyReply } from 'fastify';

/** After a fault of the broker or a neighbour: long enough for a failover, short for a caller on the line. */
const RETRY_AFTER_SECONDS = 5;

interface ProblemKind {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The closed list of problem types (RFC 9457): `urn:countersign:problem:<name>`. */
export const PROBLEMS = {
  'malformed-json': {
    status: 400,
    title: 'Malformed JSON',
    detail: 'The body is not JSON. Send one JSON object, encoded in UTF-8.',
  },
  unauthorized: {
    status: 401,
    title: 'Unauthorized',
    detail: 'Send a valid key in the header Authorization: Bearer <key>.',
    headers: { 'www-authenticate': 'Bearer' },
  },
  forbidden: {
    status: 403,
    title: 'Forbidden',
    detail: "This call needs an agent's API key. The administrator's key belongs to no agent.",
  },
  'not-found': {
    status: 404,
    title: 'Not found',
    detail: 'There is no such resource, or this key has no access to it.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'Method not allowed',
    detail: 'This resource does not have this method. The header Allow lists those that it has.',
  },
  conflict: {
    status: 409,
    title: 'Conflict',
    detail: 'The name or telephone number belongs to another resource already. Choose another one.',
  },
  'idempotency-in-flight': {
    status: 409,
    title: 'Request in flight',
    detail: 'A request with this Idempotency-Key is still being worked on. Send it again in a few seconds.',
  },
  'verification-ended': {
    status: 409,
    title: 'Verification ended',
    detail:
      'The verification under this Idempotency-Key no longer holds: its time is over, or its credential, its subject or ' +
      'its call has changed. Verify the caller again with a new key.',
  },
  'too-large': {
    status: 413,
    title: 'Body too large',
    detail: 'A body has at most 262144 bytes.',
  },
  'unsupported-media-type': {
    status: 415,
    title: 'Unsupported media type',
    detail: 'Send the body with Content-Type: application/json.',
  },
  'invalid-request': {
    status: 422,
    title: 'Invalid request',
    detail: 'The request breaks the rules that are listed in violations.',
  },
  'idempotency-mismatch': {
    status: 422,
    title: 'Idempotency-Key was used before',
    detail: 'This Idempotency-Key came with another request before. Use a new key for a new request.',
  },
  'quota-exceeded': {
    status: 429,
    title: 'Quota exceeded',
    detail: "The agent's or the tenant's quota of requests is used up. Send it again after Retry-After seconds.",
  },
  internal: {
    status: 500,
    title: 'Internal error',
    detail: 'The service is at fault. It was logged; ask the operator.',
  },
  unavailable: {
    status: 503,
    title: 'Unavailable',
    detail: 'No answer in time; a change may or may not have been made. Read the state, or send the request again.',
    headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
  },
} as const satisfies Record<string, ProblemKind>;
export type ProblemName = keyof typeof PROBLEMS;

/** A request that is not served. Thrown anywhere below the edge, written by {@link sendProblem}. */
export class Problem extends Error {
  override readonly name = 'Problem';
  constructor(
    readonly problem: ProblemName,
    /** Only with `invalid-request`. */
    readonly violations?: readonly Violation[],
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(problem);
  }
}

/** Whatever went wrong, as the outside may know it. Nothing of a foreign error passes: it may quote the request. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof ServiceError) return new Problem(error.retriable ? 'unavailable' : 'internal');
  return new Problem(problemOfStatus(statusOf(error)));
}

/** Fastify and Nest say what was wrong with a request by its status alone. */
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

/** Writes a problem as `application/problem+json`. */
export function sendProblem(reply: FastifyReply, problem: Problem): void {
  const kind: ProblemKind = PROBLEMS[problem.problem];
  const body = {
    type: `urn:countersign:problem:${problem.problem}`,
    title: kind.title,
    status: kind.status,
    detail: kind.detail,
    ...(problem.violations === undefined ? {} : { violations: problem.violations }),
  };
  void reply
    .code(kind.status)
    .headers({ ...kind.headers, ...problem.headers, 'content-type': 'application/problem+json' })
    .send(JSON.stringify(body));
}

/** The one place where an exception becomes an answer. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const problem = problemOf(error);
    if (PROBLEMS[problem.problem].status >= 500) this.logger.error({ err: error }, 'a request could not be served');
    sendProblem(host.switchToHttp().getResponse<FastifyReply>(), problem);
  }
}
