import { Module } from '@nestjs/common';
import { Database, OutboxRelay } from '@countersign/persistence';
import { OutboxFactLog } from './fact-log.store.js';
import { LimiterRefusalCache } from './refusal-cache.js';
import { RefusalReport } from './refusal-report.js';
import { FactLog } from './refusals.ports.js';

@Module({
  providers: [
    {
      provide: FactLog,
      inject: [Database, OutboxRelay],
      useFactory: (database: Database, relay: OutboxRelay) => new OutboxFactLog(database, () => relay.wake()),
    },
    LimiterRefusalCache,
    RefusalReport,
  ],
  exports: [LimiterRefusalCache, RefusalReport],
})
export class RefusalsModule {}
