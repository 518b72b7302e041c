import { Module } from '@nestjs/common';
import { type KeyedHash, Keyring } from '@countersign/crypto';
import { DirectoryCache } from '@countersign/directory-cache';
import { Database, OutboxRelay } from '@countersign/persistence';
import { EVENT_NAMES, TABLE_NAMES } from '../integrity/stored-names.js';
import { TamperReports } from '../integrity/tamper-reports.store.js';
import { ImportSubjects } from './import-subjects.use-case.js';
import { ImportsHandler } from './imports.handler.js';
import { SubjectBatches } from './imports.ports.js';
import { PostgresSubjectBatches } from './subject-batches.store.js';

@Module({
  controllers: [ImportsHandler],
  providers: [
    {
      provide: SubjectBatches,
      inject: [Database, Keyring, TABLE_NAMES, EVENT_NAMES, OutboxRelay, TamperReports, DirectoryCache],
      useFactory: (
        database: Database,
        keyring: Keyring,
        names: KeyedHash,
        hash: KeyedHash,
        relay: OutboxRelay,
        { report }: TamperReports,
        directory: DirectoryCache,
      ) => {
        const createdAt = (tenant: string): string | undefined => directory.tenant(tenant)?.createdAt;
        return new PostgresSubjectBatches(database, keyring, names, hash, () => relay.wake(), report, createdAt);
      },
    },
    ImportSubjects,
  ],
})
export class ImportsModule {}
