import { Module } from '@nestjs/common';
import { type Logger } from '@countersign/observability';
import { Clock } from '@countersign/runtime';
import { LimitsModule } from '../limits/limits.module.js';
import { LimitKeyring } from '../limits/limits.ports.js';
import { LOGGER } from '../maintenance.js';
import { ManageLimits } from '../overrides/manage-limits.use-case.js';
import { OverridesModule } from '../overrides/overrides.module.js';
import { RefusalReport } from '../refusals/refusal-report.js';
import { RefusalsModule } from '../refusals/refusals.module.js';
import { AbuseDetector } from './abuse-detector.js';

@Module({
  imports: [LimitsModule, RefusalsModule, OverridesModule],
  providers: [
    {
      provide: AbuseDetector,
      inject: [RefusalReport, LimitKeyring, Clock, ManageLimits, LOGGER],
      useFactory: (report: RefusalReport, keys: LimitKeyring, clock: Clock, manage: ManageLimits, logger: Logger) =>
        new AbuseDetector(report, keys, clock, (tenant, seconds) => {
          const warn = (error: unknown): void => logger.warn({ err: error }, 'limits could not be tightened');
          manage.tighten({ tenant, seconds }).catch(warn);
        }),
    },
  ],
  exports: [AbuseDetector],
})
export class AbuseSignalsModule {}
