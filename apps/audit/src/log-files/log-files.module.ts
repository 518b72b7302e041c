import { Module, type DynamicModule } from '@nestjs/common';
import { Database } from '@countersign/persistence';
import { type VerifierKey } from '@countersign/transparency-log';
import { ReadRecords } from '../search/read-events.use-case.js';
import { OwnFacts } from '../search/search.ports.js';
import { LogFilesController } from './log-files.controller.js';
import { LogFiles } from './log-files.ports.js';
import { PostgresLogFiles } from './log-files.store.js';
import { LOG_KEYS, ReadLogFile } from './read-log-file.use-case.js';

/** Checkpoints, tiles and entries for whoever verifies the log. */
@Module({ controllers: [LogFilesController], providers: [ReadLogFile, ReadRecords] })
export class LogFilesModule {
  static with(database: Database, facts: OwnFacts, keys: readonly VerifierKey[]): DynamicModule {
    return {
      module: LogFilesModule,
      providers: [
        { provide: Database, useValue: database },
        { provide: LogFiles, useClass: PostgresLogFiles },
        { provide: OwnFacts, useValue: facts },
        { provide: LOG_KEYS, useValue: keys },
      ],
    };
  }
}
