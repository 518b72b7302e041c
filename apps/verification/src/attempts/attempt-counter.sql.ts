/**
 * Stores a counter adjustment: the state of a counter after a change outside an attempt, if the counter agreed with its ledger
 * before. Otherwise a success or an unlock would legitimize what somebody wrote to the row. `from` gives the columns of the
 * row after the change (`tenant`, `guard_key`, `number`, `after`, `callers`) while its lock is held. `number` is the latest
 * attempt, however many followed the decided one.
 */
export const recordOf = (from: string): string => `
  INSERT INTO verification.eased AS e (tenant, guard_key, number, after, callers)
  SELECT tenant, guard_key, number, after, callers FROM ${from}
  ON CONFLICT (tenant, guard_key) DO UPDATE
    SET number = EXCLUDED.number, after = EXCLUDED.after, callers = EXCLUDED.callers`;

/** The columns for {@link recordOf}, of the counter row `g`. */
export const RECORDED = `g.tenant, g.guard_key, g.tries AS number, verification.state_of(g) AS after, g.callers`;

/**
 * Changes counters outside an attempt. Returns the keys of altered counters, which stay refused. Rows are locked in the order
 * of the gate, and compared with the ledger after they are locked.
 * $1 tenant, $2 counter keys
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

/** `unlock` of `attempt-counter.decision.ts`. */
export const UNLOCK = change(
  `recognized_attempts = '{}', locked_until = NULL, unrecognized_attempts = '{}', unrecognized_locked_until = NULL,
   unrecognized_failures = 0`,
);

/** `resetForNewCredential` of `attempt-counter.decision.ts`, in the transaction that stores the credential. */
export const RESET_FOR_NEW_CREDENTIAL = change(
  `failures = 0, unrecognized_failures = 0, disabled = false, callers = '{}'`,
);

/** Turns the counter of an erased subject into a decoy, as unknown references have one. */
export const MAKE_DECOY = change(`subject_id = NULL, callers = '{}'`);

/** Removes the recognized callers of an erased subject from the adjustments, whatever its counter has. $1 tenant, $2 counter keys */
export const FORGET_CALLERS = `
UPDATE verification.eased SET callers = '{}'
WHERE tenant = $1 AND guard_key = ANY ($2::text[]) AND cardinality(callers) > 0`;

/** Whether the ledger has attempts above the number of the counter. $1 tenant, $2 counter key */
export const BELOW_LEDGER = `
SELECT EXISTS (
  SELECT FROM verification.attempts a JOIN verification.guards g USING (tenant, guard_key)
  WHERE tenant = $1 AND guard_key = $2 AND a.number > g.tries) AS below`;
