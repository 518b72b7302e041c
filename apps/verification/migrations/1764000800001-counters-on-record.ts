import { Migration, tenantRows } from '@countersign/persistence';

/** What a guard must be, as its ledger says: after its latest try, and after what has changed it since. */
export class CountersOnRecord1764000800001 extends Migration {
  override readonly statements = [
    // A type and not text: values are compared, whatever the time zone or the locale of who wrote them.
    `CREATE TYPE verification.guard_state AS (
      recognized_attempts timestamptz[],
      lock_level integer,
      locked_until timestamptz,
      unrecognized_attempts timestamptz[],
      unrecognized_lock_level integer,
      unrecognized_locked_until timestamptz,
      failures integer,
      unrecognized_failures integer,
      disabled boolean
    )`,
    `CREATE FUNCTION verification.state_of(g verification.guards) RETURNS verification.guard_state
     LANGUAGE sql IMMUTABLE AS 'SELECT ROW(g.recognized_attempts, g.lock_level, g.locked_until, g.unrecognized_attempts,
       g.unrecognized_lock_level, g.unrecognized_locked_until, g.failures, g.unrecognized_failures, g.disabled)::verification.guard_state'`,
    // Only the row of a counter's latest attempt is ever read. Recognized callers are not part of it: a ledger is for ever.
    'ALTER TABLE verification.attempts ADD COLUMN after verification.guard_state',
    // One row for each guard that was changed between tries. `after` holds until the next try, `callers` until they
    // change. It goes with its guard, however late in somebody else's transaction it was written.
    `CREATE TABLE verification.eased (
      tenant text NOT NULL,
      guard_key text NOT NULL,
      number bigint NOT NULL,
      after verification.guard_state NOT NULL,
      callers text[] NOT NULL,
      PRIMARY KEY (tenant, guard_key),
      FOREIGN KEY (tenant, guard_key) REFERENCES verification.guards ON DELETE CASCADE
    ) WITH (fillfactor = 70)`,
    ...tenantRows('verification', ['eased']),
    // In PL/pgSQL and volatile, because its query must not see the ledger as it was when the statement around it began:
    // the guard's row is the newest there is, and its ledger's row may have been committed since.
    `CREATE FUNCTION verification.is_on_record(g verification.guards) RETURNS boolean
     LANGUAGE plpgsql VOLATILE AS $$
     DECLARE
       same boolean;
     BEGIN
       SELECT a.spent_at = g.touched_at AND COALESCE(e.callers, '{}') = g.callers AND verification.state_of(g) IS NOT DISTINCT FROM
           (CASE WHEN e.number = a.number THEN e.after ELSE a.after END)
         INTO same
         FROM verification.attempts a
         LEFT JOIN verification.eased e ON e.tenant = g.tenant AND e.guard_key = g.guard_key
         WHERE a.tenant = g.tenant AND a.guard_key = g.guard_key AND a.number = g.tries;
       RETURN COALESCE(same, false);
     END $$`,
  ];
}
