import { Global, Module } from '@nestjs/common';
import { type KeyedHash, Keyring } from '@countersign/crypto';
import { Database, OutboxRelay } from '@countersign/persistence';
import { EVENT_NAMES, TABLE_NAMES } from '../integrity/stored-names.js';
import { TamperReports } from '../integrity/tamper-reports.store.js';
import { EraseSubject } from './erase-subject.use-case.js';
import { PostgresSubjectErasure } from './erasure.store.js';
import { ManageSubject } from './manage-subject.use-case.js';
import { PostgresSubjectStore } from './subject.store.js';
import { SubjectsHandler } from './subjects.handler.js';
import { SubjectErasure, SubjectStore } from './subjects.ports.js';
import { UnlockSubject } from './unlock-subject.use-case.js';

@Global()
@Module({
  controllers: [SubjectsHandler],
  providers: [
    {
      provide: SubjectStore,
      inject: [Database, Keyring, TABLE_NAMES, EVENT_NAMES, OutboxRelay, TamperReports],
      useFactory: (
        database: Database,
        keyring: Keyring,
        names: KeyedHash,
        hash: KeyedHash,
        relay: OutboxRelay,
        { report }: TamperReports,
      ) => new PostgresSubjectStore(database, keyring, names, hash, () => relay.wake(), report),
    },
    {
      provide: SubjectErasure,
      inject: [Database, TABLE_NAMES, EVENT_NAMES, OutboxRelay],
      useFactory: (database: Database, names: KeyedHash, hash: KeyedHash, relay: OutboxRelay) =>
        new PostgresSubjectErasure(database, names, hash, () => relay.wake()),
    },
    ManageSubject,
    UnlockSubject,
    EraseSubject,
  ],
  exports: [SubjectStore],
})
export class SubjectsModule {}
