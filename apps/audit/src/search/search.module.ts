import { Module, type DynamicModule } from '@nestjs/common';
import { Database } from '@countersign/persistence';
import { OpenPersonalData } from '../personal-data/open-personal-data.use-case.js';
import { PersonalDataVault } from '../personal-data/personal-data.ports.js';
import { PostgresEventLog } from './event-log.store.js';
import { PostgresEventProofs } from './event-proofs.store.js';
import { EventsController } from './events.controller.js';
import { ExportEvents } from './export-events.use-case.js';
import { FollowEvents } from './follow-events.use-case.js';
import { EventItems, ReadEvents, ReadRecords } from './read-events.use-case.js';
import { EventLog, EventProofs, OwnFacts, StreamFaults } from './search.ports.js';

/** Search, live stream and export of events. */
@Module({
  controllers: [EventsController],
  providers: [ReadEvents, ReadRecords, EventItems, OpenPersonalData, ExportEvents, FollowEvents],
})
export class SearchModule {
  static with(
    database: Database,
    vault: PersonalDataVault,
    facts: OwnFacts,
    logFault: StreamFaults['logFault'],
  ): DynamicModule {
    return {
      module: SearchModule,
      exports: [EventLog, OpenPersonalData, ReadRecords],
      providers: [
        { provide: Database, useValue: database },
        { provide: EventLog, useClass: PostgresEventLog },
        { provide: EventProofs, useClass: PostgresEventProofs },
        { provide: PersonalDataVault, useValue: vault },
        { provide: OwnFacts, useValue: facts },
        { provide: StreamFaults, useValue: { logFault } },
      ],
    };
  }
}
