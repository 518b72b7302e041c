import { Global, Module } from '@nestjs/common';
import { Host } from '@countersign/hosting';
import { Database, OutboxRelay } from '@countersign/persistence';
import { receiptIssuer, VerificationSettings } from '../verification.settings.js';
import { IntrospectReceipt } from './introspect-receipt.use-case.js';
import { IssueReceipt, RECEIPT_TERMS, type ReceiptTerms } from './issue-receipt.use-case.js';
import { PostgresReceiptStore } from './receipt.store.js';
import { ReceiptsHandler } from './receipts.handler.js';
import { ReceiptStore } from './receipts.ports.js';

/** Interval in which consumed receipts that have expired are removed, in milliseconds. */
const PURGE_MS = 60_000;

@Global()
@Module({
  controllers: [ReceiptsHandler],
  providers: [
    {
      provide: ReceiptStore,
      inject: [Host, Database, OutboxRelay],
      useFactory: (host: Host, database: Database, relay: OutboxRelay) => {
        const receipts = new PostgresReceiptStore(database, () => relay.wake());
        host.every(PURGE_MS, 'expired receipts were not removed', () => receipts.purge());
        return receipts;
      },
    },
    {
      provide: RECEIPT_TERMS,
      inject: [VerificationSettings],
      useFactory: (settings: VerificationSettings): ReceiptTerms => ({
        issuer: receiptIssuer(settings),
        seconds: settings.RECEIPT_SECONDS,
      }),
    },
    IssueReceipt,
    IntrospectReceipt,
  ],
  exports: [IssueReceipt],
})
export class VerificationReceiptsModule {}
