import { Module, type DynamicModule } from '@nestjs/common';
import { Database } from '@countersign/persistence';
import { EventCountsController } from './event-counts.controller.js';
import { EventCountLog } from './event-counts.ports.js';
import { PostgresEventCounts } from './event-counts.store.js';
import { ReadEventCounts } from './read-event-counts.use-case.js';

/** Counts of events per step. */
@Module({ controllers: [EventCountsController], providers: [ReadEventCounts] })
export class CountsModule {
  static with(database: Database): DynamicModule {
    return {
      module: CountsModule,
      providers: [
        { provide: Database, useValue: database },
        { provide: EventCountLog, useClass: PostgresEventCounts },
      ],
    };
  }
}
