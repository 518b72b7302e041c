import { Global, Module } from '@nestjs/common';
import { type KeyedHash, Keyring } from '@countersign/crypto';
import { Database } from '@countersign/persistence';
import { DirectoryCallPolicies } from '../attempts/directory-policies.store.js';
import { TABLE_NAMES } from '../integrity/stored-names.js';
import { TamperReports } from '../integrity/tamper-reports.store.js';
import { CallsHandler } from './calls.handler.js';
import { CallPolicies, VerificationRecords } from './calls.ports.js';
import { ReadCallState } from './read-call-state.use-case.js';
import { Successes } from './successes.js';
import { PostgresVerificationRecords } from './verification-records.store.js';

@Global()
@Module({
  controllers: [CallsHandler],
  providers: [
    {
      provide: VerificationRecords,
      inject: [Database, TABLE_NAMES, Keyring, TamperReports],
      useFactory: (database: Database, names: KeyedHash, keyring: Keyring, { report }: TamperReports) =>
        new PostgresVerificationRecords(database, names, keyring, report),
    },
    { provide: CallPolicies, useClass: DirectoryCallPolicies },
    ReadCallState,
    Successes,
  ],
  exports: [VerificationRecords, CallPolicies, Successes],
})
export class CallsModule {}
