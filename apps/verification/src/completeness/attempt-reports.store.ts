import { v7 as uuid } from 'uuid';
import {
  AttemptsReported,
  ATTEMPTS_PER_REPORT,
  encodeMessage,
  message,
  type LedgerFault,
  type Method,
  type Outcome,
  type ReportedAttempt,
} from '@countersign/contracts';
import { Outbox, type Database, type Transaction } from '@countersign/persistence';

/** Paces of the reports. */
export interface ReportPace {
  /**
   * Seconds after which every attempt of a time is committed: longer than a statement may last. Its fact has usually
   * arrived in the log by then, too.
   */
  readonly delaySeconds: number;
  /** Shortest time between the beginnings of two passes over the history, in seconds. */
  readonly historySeconds: number;
  /** See `DECOY_DAYS`. */
  readonly decoyDays: number;
}

type Pass = AttemptsReported['pass'];

interface AttemptRow {
  attempt_id: string;
  counted_at: Date;
  tenant: string;
  subject_id: string | null;
  is_pin: boolean;
  number: string;
  outcome: Outcome | null;
  fault: LedgerFault | null;
}

/** Most reports of the live pass at a time, so that a service that stops does not wait for an outage to be made up. */
const MAX_LIVE_REPORTS = 10;
const DAY_SECONDS = 86_400;

/**
 * The position of a pass, and the end of what it may report. Another copy that reports at this moment holds the row. A pass over
 * the history ends at the time of its begin. $1 pass, $2 delay in seconds, $3 seconds between two passes
 */
const LOCK_POSITION = `
SELECT
  position.reported_until AS from_time,
  CASE $1
    WHEN 'live' THEN date_trunc('second', clock_timestamp() - make_interval(secs => $2))
    ELSE LEAST(live.reported_until, date_trunc('milliseconds', position.begun_at))
  END AS end_time,
  position.begun_at < clock_timestamp() - make_interval(secs => $3) AS may_begin_again
FROM verification.attempt_reports position
JOIN verification.attempt_reports live ON live.pass = 'live'
WHERE position.pass = $1
FOR UPDATE OF position SKIP LOCKED`;

/**
 * Where a report from $1 ends: before the millisecond of the first attempt that it has no place for, at $2 at the latest.
 * Events have times in milliseconds, so a report must not divide one. $3 attempts of a report
 */
const FIND_END = `
SELECT COALESCE(
  (
    SELECT GREATEST(date_trunc('milliseconds', counted_at), $1::timestamptz + interval '1 millisecond')
    FROM verification.attempts
    WHERE counted_at >= $1 AND counted_at < $2
    ORDER BY counted_at
    OFFSET $3
    LIMIT 1
  ),
  $2::timestamptz
) AS until`;

/**
 * The attempts from $1 to before $2. One snapshot shows counters and ledger as one statement wrote both, so a difference between
 * them is no race.
 */
const READ_ATTEMPTS = `
SELECT
  attempt.attempt_id,
  attempt.counted_at,
  attempt.tenant,
  attempt.subject_id,
  position(':' IN attempt.counter_key) = 0 AS is_pin,
  attempt.number,
  attempt.outcome,
  CASE
    WHEN counter.attempt_count IS NULL OR counter.attempt_count < attempt.number THEN 'counter_below'
    WHEN attempt.number > 1 AND NOT EXISTS (
      SELECT
      FROM verification.attempts before
      WHERE before.tenant = attempt.tenant
        AND before.counter_key = attempt.counter_key
        AND before.number = attempt.number - 1
    ) THEN 'missing_before'
    WHEN counter.attempt_count > attempt.number AND NOT EXISTS (
      SELECT
      FROM verification.attempts after
      WHERE after.tenant = attempt.tenant
        AND after.counter_key = attempt.counter_key
        AND after.number = attempt.number + 1
    ) THEN 'missing_after'
  END AS fault
FROM verification.attempts attempt
LEFT JOIN verification.attempt_counters counter
  ON counter.tenant = attempt.tenant AND counter.counter_key = attempt.counter_key
WHERE attempt.counted_at >= $1 AND attempt.counted_at < $2
ORDER BY attempt.counted_at`;

/** $1 pass, $2 end of the report */
const MOVE = 'UPDATE verification.attempt_reports SET reported_until = $2 WHERE pass = $1';

const BEGIN_HISTORY = `
UPDATE verification.attempt_reports
SET
  reported_until = 'epoch',
  begun_at = clock_timestamp()
WHERE pass = 'history'`;

/**
 * Reports the ledger to the audit service: what was just counted, and slowly everything else again and again. A report and the
 * position after it are one transaction, so no attempt is left out. Any number of copies may run this.
 */
export class AttemptReports {
  readonly #outbox: Outbox;
  readonly #database: Pick<Database, 'transaction'>;

  constructor(
    database: Database,
    private readonly options: ReportPace,
    private readonly wakeRelay: () => void,
  ) {
    this.#database = database.forAllTenants();
    this.#outbox = new Outbox(database);
  }

  /** Reports every attempt of the live pass that is old enough. @throws ServiceError DATABASE_UNAVAILABLE; the next run continues */
  async reportLive(): Promise<void> {
    for (let sent = 0; sent < MAX_LIVE_REPORTS; sent++) if (!(await this.#report('live'))) return;
  }

  /** Reports the next part of the history. @throws ServiceError DATABASE_UNAVAILABLE; the next run continues */
  async reportHistory(): Promise<void> {
    await this.#report('history');
  }

  /** @returns whether more attempts of this pass can be reported now */
  async #report(pass: Pass): Promise<boolean> {
    const { delaySeconds, historySeconds } = this.options;
    const isMore = await this.#database.transaction(async (tx) => {
      type Position = { from_time: Date; end_time: Date; may_begin_again: boolean };
      const [position] = await tx.query<Position>(LOCK_POSITION, [pass, delaySeconds, historySeconds]);
      if (position === undefined) return false;
      const { from_time: from, end_time: end, may_begin_again: mayBeginAgain } = position;
      if (from >= end) {
        if (pass === 'history' && mayBeginAgain) await tx.query(BEGIN_HISTORY);
        return false;
      }
      const params = [from, end, ATTEMPTS_PER_REPORT];
      const [{ until }] = (await tx.query<{ until: Date }>(FIND_END, params)) as [{ until: Date }];
      await this.#send(tx, pass, from, until);
      await tx.query(MOVE, [pass, until]);
      return until < end;
    });
    this.wakeRelay();
    return isMore;
  }

  async #send(tx: Transaction, pass: Pass, from: Date, until: Date): Promise<void> {
    const rows = await tx.query<AttemptRow>(READ_ATTEMPTS, [from, until]);
    const [{ purged_before: purgedBefore }] = (await tx.query<{ purged_before: Date }>(
      'SELECT clock_timestamp() - make_interval(secs => $1) AS purged_before',
      [this.options.decoyDays * DAY_SECONDS],
    )) as [{ purged_before: Date }];
    const report = message(AttemptsReported, {
      reportId: uuid(),
      pass,
      from: from.toISOString(),
      until: until.toISOString(),
      purgedBefore: purgedBefore.toISOString(),
      attempts: rows.map(reportedOf),
    });
    await this.#outbox.add(tx, [encodeMessage(report.reportId, report)]);
  }
}

function reportedOf(row: AttemptRow): ReportedAttempt {
  const method: Method = row.is_pin ? 'pin' : 'knowledge';
  return {
    attemptId: row.attempt_id,
    countedAt: row.counted_at.toISOString(),
    tenant: row.tenant,
    ...(row.subject_id === null ? {} : { subject: row.subject_id }),
    method,
    number: Number(row.number),
    ...(row.outcome === null ? {} : { outcome: row.outcome }),
    ...(row.fault === null ? {} : { fault: row.fault }),
  };
}
