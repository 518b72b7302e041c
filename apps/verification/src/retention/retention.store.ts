import { Inbox, purgeByIndex, purgeByPages, type Database } from '@countersign/persistence';

/** How long rows are kept that have no effect any more. */
export interface RetentionPeriods {
  /** For decoys without an attempt: at least the longest window and the longest lock of any policy. */
  readonly decoyDays: number;
  /** For ids of management commands: longer than the bus keeps a record. */
  readonly inboxDays: number;
}

/** The maximum number of rows per statement, so that its locks are short. */
const BATCH = 1_000;
const DAY_SECONDS = 86_400;

/**
 * Removes old decoys and their part of the ledger, so their numbers start at 1 again. Their events stay in the audit log. Locks
 * rows in the order of the attempt gate, and skips a counter with an attempt in progress.
 *
 * The row of a counter is not trusted: an attacker could make the counter of a subject look like an old decoy, to have it
 * removed. So the latest attempt must be at no existing subject, and the counter must agree with its ledger.
 *
 * Reads pages, because an index for it would mean other work for decoys than for subjects. A join could scan the whole ledger for
 * each batch. $1 and $2 ctids, $3 seconds
 */
const PURGE_DECOYS = `
WITH old AS (
  SELECT tenant, counter_key
  FROM verification.attempt_counters counter
  WHERE ctid >= $1::tid
    AND ctid < $2::tid
    AND subject_id IS NULL
    AND last_attempt_at < statement_timestamp() - make_interval(secs => $3)
    AND GREATEST(locked_until, unrecognized_locked_until, '-infinity') < clock_timestamp()
    AND (
      SELECT true
      FROM verification.attempts attempt
      JOIN verification.subjects USING (tenant, subject_id)
      WHERE tenant = counter.tenant
        AND attempt.counter_key = counter.counter_key
        AND attempt.number = counter.attempt_count
      LIMIT 1
    ) IS NULL
    AND verification.matches_ledger(counter)
  ORDER BY tenant, counter_key
  FOR UPDATE SKIP LOCKED
), purged AS (
  DELETE FROM verification.attempt_counters counter
  USING old
  WHERE counter.tenant = old.tenant AND counter.counter_key = old.counter_key
  RETURNING counter.tenant, counter.counter_key
), ledger AS (
  DELETE FROM verification.attempts attempt
  USING purged
  WHERE attempt.tenant = purged.tenant AND attempt.counter_key = purged.counter_key
)
SELECT 1
FROM purged`;

/**
 * Removes commands after their replies are no longer repeated. A command stays while its attempt has no outcome, which is read by
 * index: a join could scan the whole ledger for each batch. $1 rows
 */
const PURGE_COMMANDS = `
DELETE FROM verification.commands
WHERE ctid = ANY (ARRAY(
  SELECT ctid
  FROM verification.commands command
  WHERE repeat_until < statement_timestamp() - interval '1 hour'
    AND COALESCE(
      (
        SELECT attempt.outcome IS NOT NULL
        FROM verification.attempts attempt
        WHERE attempt.attempt_id = command.attempt_id
      ),
      true
    )
  LIMIT $1
  FOR UPDATE OF command SKIP LOCKED
))
RETURNING 1`;

/** Purges rows that have no effect any more, in small batches. The counters of existing subjects and their ledger stay. */
export class Retention {
  readonly #inbox: Inbox;

  constructor(
    private readonly database: Database,
    private readonly periods: RetentionPeriods,
  ) {
    this.#inbox = new Inbox(database);
  }

  /** @returns the number of removed rows of each kind @throws ServiceError DATABASE_UNAVAILABLE; the next run removes the rest */
  async purge(): Promise<{ decoys: number; commands: number; inbox: number }> {
    const { decoyDays, inboxDays } = this.periods;
    const all = this.database.forAllTenants();
    return {
      decoys: await purgeByPages(all, 'verification.attempt_counters', PURGE_DECOYS, [decoyDays * DAY_SECONDS]),
      commands: await purgeByIndex(all, PURGE_COMMANDS, [], BATCH),
      inbox: await this.#inbox.purge(inboxDays * DAY_SECONDS),
    };
  }
}
