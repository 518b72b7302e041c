import { Module, type DynamicModule } from '@nestjs/common';
import { Database } from '@countersign/persistence';
import { PostgresAttemptLog } from './attempt-log.store.js';
import { AttemptReportsHandler } from './attempt-reports.handler.js';
import { AttemptLog, DifferenceRecords, ReadBackEntries } from './completeness.ports.js';
import { PostgresDifferenceRecords } from './difference-records.store.js';
import { RaiseDifferences } from './raise-differences.use-case.js';
import { PostgresReadBackEntries } from './read-back.store.js';
import { ReconcileAttempts } from './reconcile-attempts.use-case.js';

/** Compares the ledger of attempts, the log and the topic. */
@Module({
  controllers: [AttemptReportsHandler],
  providers: [
    { provide: AttemptLog, useClass: PostgresAttemptLog },
    { provide: DifferenceRecords, useClass: PostgresDifferenceRecords },
    { provide: ReadBackEntries, useClass: PostgresReadBackEntries },
    RaiseDifferences,
    ReconcileAttempts,
  ],
})
export class CompletenessModule {
  static with(database: Database): DynamicModule {
    return { module: CompletenessModule, global: true, providers: [{ provide: Database, useValue: database }] };
  }
}
