/** The columns of a counter adjustment, of the counter row `counter`. */
export const ADJUSTMENT = `
    counter.tenant,
    counter.counter_key,
    counter.attempt_count AS number,
    verification.counter_state_of(counter) AS state_after,
    counter.recognized_callers`;

/**
 * Stores counter adjustments: the states of counters after a change outside an attempt, for those that agreed with their ledger
 * before. Otherwise a success or an unlock would legitimize an altered row.
 * @param from rows with the columns of {@link ADJUSTMENT}, read while their locks are held. `number` is the latest attempt,
 * however many followed the decided one.
 */
export const storeAdjustments = (from: string): string => `
  INSERT INTO verification.counter_adjustments (
    tenant,
    counter_key,
    number,
    state_after,
    recognized_callers
  )
  SELECT
    tenant,
    counter_key,
    number,
    state_after,
    recognized_callers
  FROM ${from}
  ON CONFLICT (tenant, counter_key) DO UPDATE
    SET
      number = EXCLUDED.number,
      state_after = EXCLUDED.state_after,
      recognized_callers = EXCLUDED.recognized_callers`;

/**
 * Changes counters outside an attempt. Returns the keys of altered counters, which stay refused. Rows are locked in the order
 * of the gate, and compared with the ledger after they are locked.
 * $1 tenant, $2 counter keys
 */
const changeCounters = (set: string): string => `
WITH locked AS MATERIALIZED (
  SELECT counter.tenant, counter.counter_key, counter AS counter_before
  FROM verification.attempt_counters counter
  WHERE counter.tenant = $1 AND counter.counter_key = ANY ($2::text[])
  ORDER BY counter.counter_key
  FOR UPDATE
), checked AS MATERIALIZED (
  SELECT tenant, counter_key, verification.matches_ledger(counter_before) AS agrees
  FROM locked
), changed AS (
  UPDATE verification.attempt_counters counter
  SET
    ${set}
  FROM checked
  WHERE counter.tenant = checked.tenant AND counter.counter_key = checked.counter_key
  RETURNING
    checked.agrees,
    ${ADJUSTMENT}
), adjusted AS (${storeAdjustments('changed WHERE agrees')}
)
SELECT counter_key
FROM checked
WHERE NOT agrees`;

/** `unlock` of `attempt-counter.decision.ts`. */
export const UNLOCK = changeCounters(
  `recognized_attempts = '{}',
    locked_until = NULL,
    unrecognized_attempts = '{}',
    unrecognized_locked_until = NULL,
    unrecognized_failures = 0`,
);

/** `resetForNewCredential` of `attempt-counter.decision.ts`, in the transaction that stores the credential. */
export const RESET_FOR_NEW_CREDENTIAL = changeCounters(
  `failures = 0,
    unrecognized_failures = 0,
    disabled = false,
    recognized_callers = '{}'`,
);

/**
 * Makes counters equal to those without an attempt, apart from their number of attempts: a new tenant of the same id inherits no
 * lock and no failure.
 */
export const RESET_FOR_NEW_TENANT = changeCounters(
  `subject_id = NULL,
    recognized_attempts = '{}',
    lock_level = 0,
    locked_until = NULL,
    unrecognized_attempts = '{}',
    unrecognized_lock_level = 0,
    unrecognized_locked_until = NULL,
    failures = 0,
    unrecognized_failures = 0,
    disabled = false,
    recognized_callers = '{}'`,
);

/** Turns the counter of an erased subject into a decoy, as unknown references have one. */
export const MAKE_DECOY = changeCounters(
  `subject_id = NULL,
    recognized_callers = '{}'`,
);

/**
 * Writes the subjects that got a credential into their counters, which may have begun as decoys: lists of locked subjects begin at
 * counters. The statement before it has locked the counters that existed then. Others are locked here, in the order of the gate.
 * $1 tenant, $2 counter keys, $3 their subjects
 */
export const NAME_SUBJECTS = `
WITH locked AS MATERIALIZED (
  SELECT counter_key, named.subject_id
  FROM unnest($2::text[], $3::text[]) AS named(counter_key, subject_id)
  JOIN verification.attempt_counters counter USING (counter_key)
  WHERE counter.tenant = $1 AND counter.subject_id IS DISTINCT FROM named.subject_id
  ORDER BY counter_key
  FOR UPDATE OF counter
)
UPDATE verification.attempt_counters counter
SET subject_id = locked.subject_id
FROM locked
WHERE counter.tenant = $1 AND counter.counter_key = locked.counter_key`;

/** Removes the recognized callers of an erased subject from the adjustments, even if its counter was altered. $1 tenant, $2 counter keys */
export const REMOVE_RECOGNIZED_CALLERS = `
UPDATE verification.counter_adjustments
SET recognized_callers = '{}'
WHERE tenant = $1
  AND counter_key = ANY ($2::text[])
  AND cardinality(recognized_callers) > 0`;

/** Whether the ledger has attempts above the number of the counter. $1 tenant, $2 counter key */
export const IS_BELOW_LEDGER = `
SELECT EXISTS (
  SELECT
  FROM verification.attempts attempt
  JOIN verification.attempt_counters counter USING (tenant, counter_key)
  WHERE tenant = $1
    AND counter_key = $2
    AND attempt.number > counter.attempt_count
) AS is_below_ledger`;
