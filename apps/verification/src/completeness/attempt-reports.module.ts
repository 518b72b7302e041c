import { Module } from '@nestjs/common';
import { Host } from '@countersign/hosting';
import { Database, OutboxRelay } from '@countersign/persistence';
import { VerificationSettings } from '../verification.settings.js';
import { AttemptReports } from './attempt-reports.store.js';

/** Milliseconds between two reports of new attempts, and between two of older ones. */
const LIVE_REPORT_MS = 5_000;
const HISTORY_REPORT_MS = 10_000;
/** A statement lasts at most ten seconds. */
const DELAY_SECONDS = 15;
const HISTORY_SECONDS = 86_400;

/** Reports the ledger to the audit service. */
@Module({
  providers: [
    {
      provide: AttemptReports,
      inject: [Host, Database, OutboxRelay, VerificationSettings],
      useFactory: (host: Host, database: Database, relay: OutboxRelay, { DECOY_DAYS }: VerificationSettings) => {
        const options = { delaySeconds: DELAY_SECONDS, historySeconds: HISTORY_SECONDS, decoyDays: DECOY_DAYS };
        const reports = new AttemptReports(database, options, () => relay.wake());
        const failure = 'attempts were not reported';
        host.every(LIVE_REPORT_MS, failure, () => reports.reportLive());
        host.every(HISTORY_REPORT_MS, failure, () => reports.reportHistory());
        return reports;
      },
    },
  ],
})
export class AttemptReportsModule {}
