import { Module } from '@nestjs/common';
import { Database, OutboxRelay } from '@countersign/persistence';
import { LimitsModule } from '../limits/limits.module.js';
import { RefusalsModule } from '../refusals/refusals.module.js';
import { ManageLimits } from './manage-limits.use-case.js';
import { OverridesHandler } from './overrides.handler.js';
import { OverrideGauges } from './override-gauges.js';
import { OverrideStore } from './overrides.ports.js';
import { PostgresOverrideStore } from './overrides.store.js';

@Module({
  imports: [LimitsModule, RefusalsModule],
  controllers: [OverridesHandler],
  providers: [
    {
      provide: OverrideStore,
      inject: [Database, OutboxRelay],
      useFactory: (database: Database, relay: OutboxRelay) => new PostgresOverrideStore(database, () => relay.wake()),
    },
    ManageLimits,
    OverrideGauges,
  ],
  exports: [OverrideStore, ManageLimits],
})
export class OverridesModule {}
