import { Global, Module } from '@nestjs/common';
import { type KeyedHash, PayloadOpener, ReceiptKeys } from '@countersign/crypto';
import { Host } from '@countersign/hosting';
import { Database, OutboxRelay } from '@countersign/persistence';
import { CheckRequiredKeys } from './check-required-keys.use-case.js';
import { CompareKeys } from './compare-keys.use-case.js';
import { KeyRecords } from './integrity.ports.js';
import { KeysHandler } from './keys.handler.js';
import { PostgresKeyRecords } from './key-records.store.js';
import { comparedKeys, FOREIGN_KEYS, SHARED_KEYS } from './open-keys.js';
import { EVENT_NAMES } from './stored-names.js';
import { TamperReports } from './tamper-reports.store.js';

/** Interval in which the required keys are read, in milliseconds: `countersign keys rekey` changes them while services run. */
const CHECK_KEYS_MS = 5_000;

/** Finds keys that do not match, and altered data. */
@Global()
@Module({
  controllers: [KeysHandler],
  providers: [
    {
      provide: TamperReports,
      inject: [Database, Host, OutboxRelay],
      useFactory: (database: Database, host: Host, relay: OutboxRelay) =>
        new TamperReports(database, host.logger, () => relay.wake()),
    },
    { provide: KeyRecords, useClass: PostgresKeyRecords },
    {
      provide: CompareKeys,
      inject: [PayloadOpener, ReceiptKeys, KeyRecords],
      useFactory: (opener: PayloadOpener, receiptKeys: ReceiptKeys, records: KeyRecords) =>
        new CompareKeys(comparedKeys({ opener, receiptKeys }), SHARED_KEYS, FOREIGN_KEYS, records),
    },
    {
      provide: CheckRequiredKeys,
      inject: [Host, KeyRecords, EVENT_NAMES],
      useFactory: (host: Host, records: KeyRecords, { checks }: KeyedHash) => {
        const required = new CheckRequiredKeys(records, checks, host.fatal);
        host.every(CHECK_KEYS_MS, 'the required keys could not be read', () => required.check());
        return required;
      },
    },
  ],
  exports: [TamperReports],
})
export class IntegrityModule {}
