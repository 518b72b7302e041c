import { Inbox, type Database } from '@countersign/persistence';

/** How long what can have no effect any more is kept. */
export interface Keeping {
  /** Decoys untouched for longer are removed: at least the longest window and the longest lock of any policy. */
  readonly decoyDays: number;
  /** Ids of management commands: longer than the bus keeps a record. */
  readonly inboxDays: number;
}

/** Rows of one statement at most, so that its locks are short. */
const PIECE = 1_000;
const DAY_SECONDS = 86_400;

/**
 * Counters of references that nobody answers to, and their part of the ledger: the numbers of a reference begin anew with
 * its counter. What they tell is on record in the trail. Rows are locked as by the gate, and one that is being guessed at
 * is left alone. The row alone is not believed: who makes a subject's counter look like an old decoy would have it emptied
 * here. $1 seconds, $2 rows
 */
const DECOYS = `
WITH old AS (
  SELECT tenant, counter_key FROM verification.attempt_counters g
  WHERE subject_id IS NULL AND last_attempt_at < clock_timestamp() - make_interval(secs => $1)
    AND GREATEST(locked_until, unrecognized_locked_until, '-infinity') < clock_timestamp()
    AND NOT EXISTS (
      SELECT FROM verification.attempts a JOIN verification.subjects s USING (tenant, subject_id)
      WHERE tenant = g.tenant AND a.counter_key = g.counter_key AND a.number = g.attempt_count)
    AND verification.agrees_with_ledger(g)
  ORDER BY tenant, counter_key LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
  DELETE FROM verification.attempt_counters g USING old WHERE g.tenant = old.tenant AND g.counter_key = old.counter_key
  RETURNING g.tenant, g.counter_key
), ledger AS (
  DELETE FROM verification.attempts a USING gone WHERE a.tenant = gone.tenant AND a.counter_key = gone.counter_key
)
SELECT 1 FROM gone`;

/**
 * Commands whose answer is not given again. One that was never answered stays: its try has no verdict yet. $1 rows
 */
const COMMANDS = `
DELETE FROM verification.commands WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM verification.commands
  WHERE repeat_until < clock_timestamp() - interval '1 hour' AND reply IS NOT NULL
  LIMIT $1 FOR UPDATE SKIP LOCKED))
RETURNING 1`;

/** Removes what the service leaves behind, in small pieces. Real subjects' counters and their ledger stay. */
export class Retention {
  readonly #inbox: Inbox;

  constructor(
    private readonly database: Database,
    private readonly keeping: Keeping,
  ) {
    this.#inbox = new Inbox(database);
  }

  /** @returns how many rows of each kind are gone @throws ServiceError DATABASE_UNAVAILABLE: the next time does the rest */
  async purge(): Promise<{ decoys: number; commands: number; inbox: number }> {
    const { decoyDays, inboxDays } = this.keeping;
    return {
      decoys: await this.#inPieces(DECOYS, [decoyDays * DAY_SECONDS, PIECE]),
      commands: await this.#inPieces(COMMANDS, [PIECE]),
      inbox: await this.#inbox.purge(inboxDays * DAY_SECONDS),
    };
  }

  async #inPieces(statement: string, params: readonly number[]): Promise<number> {
    let all = 0;
    for (let gone = PIECE; gone === PIECE; all += gone)
      gone = (await this.database.forAllTenants().query(statement, params)).length;
    return all;
  }
}
