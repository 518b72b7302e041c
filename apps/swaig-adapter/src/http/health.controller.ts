import { Controller, Get, Inject, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { Health } from '@countersign/observability';

/** Health endpoints on the public port, for load balancers. */
@Controller('health')
export class HealthController {
  constructor(@Inject(Health) private readonly health: Health) {}

  @Get('live')
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  @Get('ready')
  ready(@Res({ passthrough: true }) reply: FastifyReply): ReturnType<Health['report']> {
    const report = this.health.report();
    void reply.code(report.status === 'ok' ? 200 : 503);
    return report;
  }
}
