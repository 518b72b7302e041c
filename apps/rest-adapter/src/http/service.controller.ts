import { Controller, Get, Header, Res } from '@nestjs/common';
import { Health } from '@countersign/observability';
import { type FastifyReply } from 'fastify';
import { Requires } from './authenticate.js';
import { OPENAPI } from '../openapi/openapi.js';

/** Health and the description of the API: what may be known without a key. */
@Controller()
export class ServiceController {
  constructor(private readonly health: Health) {}

  @Get('health/live')
  @Requires('public')
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  @Get('health/ready')
  @Requires('public')
  ready(@Res({ passthrough: true }) reply: FastifyReply): ReturnType<Health['report']> {
    const report = this.health.report();
    void reply.code(report.status === 'ok' ? 200 : 503);
    return report;
  }

  @Get('openapi.json')
  @Header('content-type', 'application/json')
  @Requires('public')
  openapi(): object {
    return OPENAPI;
  }
}
