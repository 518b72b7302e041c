import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Host } from '@countersign/hosting';
import { textReply } from '../replies/swaig-reply.js';
import { refusalBody, type RefusalStatus } from './transport-refusals.js';

/**
 * Turns exceptions into JSON answers. Refused requests keep their status. An unexpected fault is answered with 200 and a
 * text, because the platform retries other statuses or treats them as success. Answers contain nothing of the error.
 */
@Catch()
export class SwaigExceptionFilter implements ExceptionFilter {
  constructor(private readonly host: Host) {}

  catch(error: unknown, context: ArgumentsHost): void {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    const status = statusOf(error);
    if (status === undefined) {
      this.host.logger.error({ err: error }, 'a request failed');
      request.logFields = { ...request.logFields, outcome: 'unavailable', fault: 'INTERNAL' };
      const agent = request.authenticated?.agent ?? request.capture?.agent;
      if (agent) void reply.code(200).send(textReply(agent.policy, 'unavailable'));
      else void reply.code(500).send(refusalBody(500));
      return;
    }
    request.logFields = { outcome: 'refused', ...request.logFields };
    void reply.code(status).send(refusalBody(status));
  }
}

/** The HTTP status of an exception of Nest or Fastify; undefined for an unexpected fault. */
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
      // Fastify reports unreadable requests with other 4xx statuses (408, 414, 431).
      return typeof status === 'number' && status >= 400 && status < 500 ? 400 : undefined;
  }
}
