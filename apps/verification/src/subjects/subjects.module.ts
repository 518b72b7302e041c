import { Global, Module } from '@nestjs/common';
import { type KeyedHash, Keyring } from '@countersign/crypto';
import { DirectoryCache } from '@countersign/directory-cache';
import { Host } from '@countersign/hosting';
import { Database, OutboxRelay } from '@countersign/persistence';
import { SteadyClock } from '@countersign/runtime';
import { EVENT_NAMES, TABLE_NAMES } from '../integrity/stored-names.js';
import { TamperReports } from '../integrity/tamper-reports.store.js';
import { VerificationSettings } from '../verification.settings.js';
import { EraseSubject } from './erasure/erase-subject.use-case.js';
import { PostgresSubjectErasure } from './erasure/erasure.store.js';
import { ManageSubject } from './manage-subject.use-case.js';
import { MissingKeys } from './profiles/missing-keys.store.js';
import { PostgresSubjectStore } from './subject.store.js';
import { SubjectsHandler } from './subjects.handler.js';
import { SubjectErasure, SubjectStore } from './subjects.ports.js';
import { PostgresTenantErasure } from './erasure/tenant-erasure.store.js';
import { UnnamedCounters } from './unnamed-counters.store.js';
import { UnlockSubject } from './unlock-subject.use-case.js';

/** Milliseconds from one batch of subjects without a key to the next. */
const MISSING_KEYS_MS = 5_000;

/** Milliseconds from one batch of the pass over locked counters without a subject to the next. */
const UNNAMED_COUNTERS_MS = 1_000;

/** Milliseconds between two searches for erasures that were begun and are not complete. */
const UNFINISHED_ERASURES_MS = 5_000;

@Global()
@Module({
  controllers: [SubjectsHandler],
  providers: [
    {
      provide: SubjectStore,
      inject: [
        ...[Database, Keyring, TABLE_NAMES, EVENT_NAMES, OutboxRelay, TamperReports],
        ...[DirectoryCache, Host, VerificationSettings],
      ],
      useFactory: (
        database: Database,
        keyring: Keyring,
        names: KeyedHash,
        hash: KeyedHash,
        relay: OutboxRelay,
        { report }: TamperReports,
        directory: DirectoryCache,
        host: Host,
        { PRUNE_SECONDS }: VerificationSettings,
      ) => {
        const wake = (): void => relay.wake();
        const createdAt = (tenant: string): string | undefined => directory.tenant(tenant)?.createdAt;
        const store = new PostgresSubjectStore(database, keyring, names, hash, wake, report, createdAt);
        const erasure = new PostgresTenantErasure(database, hash, wake);
        host.eraseTenants('verification', directory, (deletion) => erasure.erase(deletion));
        const continueErasures = () => erasure.continueUnnamed(directory.deletions().map(({ tenant }) => tenant));
        host.every(UNFINISHED_ERASURES_MS, 'the erasure of a tenant was not continued', continueErasures);
        const missingKeys = new MissingKeys(store, host.logger, new SteadyClock(), PRUNE_SECONDS * 1000);
        host.every(MISSING_KEYS_MS, 'subjects without a key got no new one', () => missingKeys.run());
        const unnamed = new UnnamedCounters(database, names);
        host.every(UNNAMED_COUNTERS_MS, 'locked counters got no subject', () => unnamed.run());
        return store;
      },
    },
    {
      provide: SubjectErasure,
      inject: [Database, Keyring, TABLE_NAMES, EVENT_NAMES, OutboxRelay],
      useFactory: (database: Database, keyring: Keyring, names: KeyedHash, hash: KeyedHash, relay: OutboxRelay) =>
        new PostgresSubjectErasure(database, keyring, names, hash, () => relay.wake()),
    },
    ManageSubject,
    UnlockSubject,
    EraseSubject,
  ],
  exports: [SubjectStore],
})
export class SubjectsModule {}
