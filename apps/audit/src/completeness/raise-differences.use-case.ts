import { Injectable } from '@nestjs/common';
import { factRecorded, type FactRecorded } from '@countersign/contracts';
import { AttemptLog, DifferenceRecords, type ConfirmedDifference } from './completeness.ports.js';

/** Age in seconds from which a difference is certain: a fact in transit reaches the log sooner. */
export const CONFIRM_SECONDS = 60;

/** Attempts that are looked up again at a time. */
const MAX_RECHECKED = 1_000;
/** Bounds the events of one run: after a restored backup, every attempt can be a difference. */
const MAX_RAISED = 20;

/** Raises an event for each difference that persists, and removes those that were only in transit. */
@Injectable()
export class RaiseDifferences {
  constructor(
    private readonly log: AttemptLog,
    private readonly records: DifferenceRecords,
  ) {}

  /** @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  async recheck(): Promise<void> {
    const missing = await this.records.missingInLog(MAX_RECHECKED);
    if (missing.length === 0) return;
    const logged = await this.log.having(missing);
    await this.records.resolve([...logged]);
  }

  /**
   * @param send publishes facts; the differences count as raised when it resolves
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable, and what `send` throws
   */
  async raise(send: (facts: readonly FactRecorded[]) => Promise<void>): Promise<readonly ConfirmedDifference[]> {
    const confirmed = await this.records.unraised(CONFIRM_SECONDS, MAX_RAISED);
    if (confirmed.length === 0) return confirmed;
    await send(confirmed.map(factOf));
    await this.records.markRaised(confirmed.map(({ factId }) => factId));
    return confirmed;
  }
}

function factOf(one: ConfirmedDifference): FactRecorded {
  const { factId, firstSeenAt, tenant, subject, method, number, difference, key } = one;
  const isOfTopic = difference === 'not_published' || difference === 'not_in_log';
  return factRecorded('log.mismatch', firstSeenAt, {
    factId,
    tenant,
    ...(subject === undefined ? {} : { subject }),
    ...(method === undefined ? {} : { method }),
    ...(number === undefined || number < 1 ? {} : { attempt: number }),
    ...(isOfTopic ? {} : { verificationId: key }),
    detail: {
      difference,
      ...(isOfTopic ? { index: Number(key), ...(number === undefined ? {} : { count: number }) } : {}),
    },
  });
}
