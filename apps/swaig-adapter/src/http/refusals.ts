import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { type Logger } from '@countersign/observability';
import { textReply } from '../replies/swaig-reply.js';
import { refusal, type RefusalStatus } from './transport-refusals.js';

/** The methods of the paths that exist. */
const ALLOWED: Readonly<Record<string, string>> = {
  '/swaig': 'POST',
  '/health/live': 'GET, HEAD',
  '/health/ready': 'GET, HEAD',
};

/**
 * Turns everything that was thrown into JSON: what the transport refuses keeps its status, and a fault of ours is
 * answered with 200 and words, because the platform retries other answers or takes them for success. Nothing of the
 * error itself leaves.
 */
@Catch()
export class Refusals implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const status = statusOf(error);
    if (status === undefined) {
      this.logger.error({ err: error }, 'a request failed');
      request.note = { ...request.note, outcome: 'unavailable', fault: 'INTERNAL' };
      const agent = request.authenticated?.agent ?? request.capture?.agent;
      if (agent) void reply.code(200).send(textReply(agent.policy, 'unavailable'));
      else void reply.code(500).send(refusal(500));
      return;
    }
    request.note = { ...request.note, outcome: 'refused' };
    const path = request.url.replace(/\?.*$/s, '').replace(/(?<=.)\/$/, '');
    const allowed = status === 404 ? allowedAt(path) : undefined;
    if (allowed === undefined) void reply.code(status).send(refusal(status));
    else void reply.code(405).header('allow', allowed).send(refusal(405));
  }
}

function allowedAt(path: string): string | undefined {
  if (/^\/swaig\/capture\/[^/]+$/.test(path)) return 'POST';
  return Object.hasOwn(ALLOWED, path) ? ALLOWED[path] : undefined;
}

/** The transport's status of an error: Nest's exceptions and Fastify's own errors bear one. */
function statusOf(error: unknown): RefusalStatus | undefined {
  const status: unknown =
    error instanceof HttpException ? error.getStatus() : (error as { statusCode?: unknown } | undefined)?.statusCode;
  switch (status) {
    case 400:
    case 401:
    case 403:
    case 404:
    case 405:
    case 413:
    case 415:
      return status;
    default:
      // Of the rest, 4xx is Fastify's word for a request that cannot be read (408, 414, 431).
      return typeof status === 'number' && status >= 400 && status < 500 ? 400 : undefined;
  }
}
