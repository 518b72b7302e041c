import { Injectable } from '@nestjs/common';
import { type AttemptsReported } from '@countersign/contracts';
import { compareAttempts } from './compare-attempts.decision.js';
import { AttemptLog, DifferenceRecords } from './completeness.ports.js';

/** Compares a period of the ledger with the log. */
@Injectable()
export class ReconcileAttempts {
  constructor(
    private readonly log: AttemptLog,
    private readonly records: DifferenceRecords,
  ) {}

  /** @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  async reconcile(report: AttemptsReported): Promise<void> {
    const logged = await this.log.between(report.from, report.until);
    await this.records.replace(report, compareAttempts(report, logged, await this.log.prunedBefore()));
  }
}
