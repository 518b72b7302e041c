import { Module, type DynamicModule } from '@nestjs/common';
import { Database } from '@countersign/persistence';
import { PostgresEventLog } from './event-log.store.js';
import { PostgresEventProofs } from './event-proofs.store.js';
import { EventsController } from './events.controller.js';
import { ExportEvents } from './export-events.use-case.js';
import { FollowEvents } from './follow-events.use-case.js';
import { ReadEvents, ReadRecords } from './read-events.use-case.js';
import { EventLog, EventProofs, OwnFacts, StreamFaults } from './search.ports.js';

/** Search, live stream and export of events. */
@Module({ controllers: [EventsController], providers: [ReadEvents, ReadRecords, ExportEvents, FollowEvents] })
export class SearchModule {
  static with(database: Database, facts: OwnFacts, logFault: StreamFaults['logFault']): DynamicModule {
    return {
      module: SearchModule,
      providers: [
        { provide: Database, useValue: database },
        { provide: EventLog, useClass: PostgresEventLog },
        { provide: EventProofs, useClass: PostgresEventProofs },
        { provide: OwnFacts, useValue: facts },
        { provide: StreamFaults, useValue: { logFault } },
      ],
    };
  }
}
