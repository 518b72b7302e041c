/**
 * Puts what a guard was changed to on record, where it agreed with its record before the change: else a success or an
 * unlocking would make good what somebody has written to its row. `from` gives the columns of the row after the change
 * (`tenant`, `guard_key`, `number`, `after`, `callers`) with the row's lock held, whose number is then that of the
 * latest try, however many there were since the one that is closed.
 */
export const recordOf = (from: string): string => `
  INSERT INTO verification.eased AS e (tenant, guard_key, number, after, callers)
  SELECT tenant, guard_key, number, after, callers FROM ${from}
  ON CONFLICT (tenant, guard_key) DO UPDATE
    SET number = EXCLUDED.number, after = EXCLUDED.after, callers = EXCLUDED.callers`;

/** The columns that {@link recordOf} takes, of the row `g` of a guard. */
export const RECORDED = `g.tenant, g.guard_key, g.tries AS number, verification.state_of(g) AS after, g.callers`;

/**
 * Changes guards between tries; gives the keys of those that somebody else had changed before, which stay refused. Rows are
 * locked in the order of the gate. They are compared when they are locked, and not while they are looked for.
 * $1 tenant, $2 guard keys
 */
const change = (set: string): string => `
WITH locked AS MATERIALIZED (
  SELECT g.tenant, g.guard_key, g AS was FROM verification.guards g
  WHERE g.tenant = $1 AND g.guard_key = ANY ($2::text[]) ORDER BY g.guard_key FOR UPDATE
), held AS MATERIALIZED (
  SELECT tenant, guard_key, verification.is_on_record(was) AS on_record FROM locked
), changed AS (
  UPDATE verification.guards g SET ${set}
  FROM held h WHERE g.tenant = h.tenant AND g.guard_key = h.guard_key
  RETURNING h.on_record, ${RECORDED}
), record AS (${recordOf('changed WHERE on_record')}
)
SELECT guard_key FROM held WHERE NOT on_record`;

/** `unlock` of `domain/attempts.ts`. */
export const UNLOCK = change(
  `recognized_attempts = '{}', locked_until = NULL, unrecognized_attempts = '{}', unrecognized_locked_until = NULL,
   unrecognized_failures = 0`,
);

/** `resetForNewCredential` of `domain/attempts.ts`, in the transaction that stores it. */
export const RESET_FOR_NEW_CREDENTIAL = change(
  `failures = 0, unrecognized_failures = 0, disabled = false, callers = '{}'`,
);

/** What is left of the counter of an erased subject is a decoy, as an unknown reference has one. */
export const MAKE_DECOY = change(`subject_id = NULL, callers = '{}'`);

/** Nobody is known to an erased subject, whatever its guard's row said. $1 tenant, $2 guard keys */
export const FORGET_CALLERS = `
UPDATE verification.eased SET callers = '{}'
WHERE tenant = $1 AND guard_key = ANY ($2::text[]) AND cardinality(callers) > 0`;

/** Whether the ledger has tries that the guard's row does not know of. $1 tenant, $2 guard key */
export const BELOW_LEDGER = `
SELECT EXISTS (
  SELECT FROM verification.attempts a JOIN verification.guards g USING (tenant, guard_key)
  WHERE tenant = $1 AND guard_key = $2 AND a.number > g.tries) AS below`;
