import { Controller, Get, Res } from '@nestjs/common';
import { Health } from '@countersign/observability';
import { type FastifyReply } from 'fastify';
import { PUBLIC, RouteAccess } from './route-access.js';

/** Health endpoints on the public port, for load balancers. */
@Controller('health')
export class HealthController {
  constructor(private readonly health: Health) {}

  @Get('live')
  @RouteAccess(PUBLIC)
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  @Get('ready')
  @RouteAccess(PUBLIC)
  ready(@Res({ passthrough: true }) reply: FastifyReply): ReturnType<Health['report']> {
    const report = this.health.report();
    void reply.code(report.status === 'ok' ? 200 : 503);
    return report;
  }
}
