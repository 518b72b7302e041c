import { Module, type DynamicModule } from '@nestjs/common';
import {
  CallStateRequested,
  CredentialRemoveRequested,
  KeyComparisonRequested,
  KnowledgeChangeRequested,
  PinChangeRequested,
  ReceiptIntrospectionRequested,
  SubjectChangeRequested,
  SubjectEraseRequested,
  SubjectImportRequested,
  SubjectListRequested,
  SubjectStateRequested,
  SubjectUnlockRequested,
  VerificationAdmitted,
} from '@countersign/contracts';
import { type KeyedHash, Keyring, PayloadOpener, ReceiptKeys } from '@countersign/crypto';
import { DirectoryCache } from '@countersign/directory-cache';
import { Host } from '@countersign/hosting';
import { Database, OutboxRelay } from '@countersign/persistence';
import { AttemptsModule } from './attempts/attempts.module.js';
import { CallsModule } from './calls/calls.module.js';
import { AttemptReportsModule } from './completeness/attempt-reports.module.js';
import { CredentialsModule, VAULT_REPLACEMENT } from './credentials/credentials.module.js';
import { type PinVault } from './credentials/credentials.ports.js';
import { IntegrityModule } from './integrity/integrity.module.js';
import { type VerificationKeys } from './integrity/open-keys.js';
import { EVENT_NAMES, TABLE_NAMES } from './integrity/stored-names.js';
import { ImportsModule } from './imports/imports.module.js';
import { KnowledgeModule } from './knowledge/knowledge.module.js';
import { VerificationReceiptsModule } from './receipts/receipts.module.js';
import { RetentionModule } from './retention/retention.module.js';
import { SubjectsModule } from './subjects/subjects.module.js';
import { VerificationSettings } from './verification.settings.js';

/** Messages that need a hash. */
export const SLOW_MESSAGES = [
  VerificationAdmitted,
  PinChangeRequested,
  KnowledgeChangeRequested,
  SubjectImportRequested,
];
export const FAST_MESSAGES = [
  ...[SubjectChangeRequested, SubjectStateRequested, SubjectListRequested],
  ...[SubjectEraseRequested, SubjectUnlockRequested, CredentialRemoveRequested],
  ...[CallStateRequested, ReceiptIntrospectionRequested, KeyComparisonRequested],
];

/** What start.ts opens. */
export interface VerificationResources {
  readonly settings: VerificationSettings;
  readonly host: Host;
  readonly database: Database;
  readonly relay: OutboxRelay;
  readonly directory: DirectoryCache;
  readonly keys: VerificationKeys;
  /** Under the key of the tables. */
  readonly tableNames: KeyedHash;
  readonly replace: { readonly vault?: PinVault };
}

/** Composes the features. They are global, because attempts, credentials and subjects use each other's ports. */
@Module({
  imports: [
    AttemptsModule,
    CallsModule,
    AttemptReportsModule,
    CredentialsModule,
    ImportsModule,
    IntegrityModule,
    KnowledgeModule,
    VerificationReceiptsModule,
    RetentionModule,
    SubjectsModule,
  ],
})
export class VerificationModule {
  static with(resources: VerificationResources): DynamicModule {
    const { settings, host, database, relay, directory, keys, tableNames, replace } = resources;
    const providers = [
      { provide: VerificationSettings, useValue: settings },
      { provide: Host, useValue: host },
      { provide: Database, useValue: database },
      { provide: OutboxRelay, useValue: relay },
      { provide: DirectoryCache, useValue: directory },
      { provide: Keyring, useValue: keys.keyring },
      { provide: PayloadOpener, useValue: keys.opener },
      { provide: ReceiptKeys, useValue: keys.receiptKeys },
      { provide: EVENT_NAMES, useValue: keys.eventNames },
      { provide: TABLE_NAMES, useValue: tableNames },
      { provide: VAULT_REPLACEMENT, useValue: replace },
    ];
    return { module: VerificationModule, global: true, providers, exports: providers.map(({ provide }) => provide) };
  }
}
