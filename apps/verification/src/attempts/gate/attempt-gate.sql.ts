import { HIGHEST_CAP, MAX_DOUBLINGS } from './attempt-counter.decision.js';

/** The deciding columns of an attempt counter, as expressions: those of its row, or those of a new counter. */
interface CounterColumns {
  readonly recognizedAttempts: string;
  readonly lockLevel: string;
  readonly lockedUntil: string;
  readonly unrecognizedAttempts: string;
  readonly unrecognizedLockLevel: string;
  readonly unrecognizedLockedUntil: string;
  readonly failures: string;
  readonly unrecognizedFailures: string;
  readonly disabled: string;
  readonly recognizedCallers: string;
}

const NEW: CounterColumns = {
  recognizedAttempts: `'{}'::timestamptz[]`,
  lockLevel: '0',
  lockedUntil: 'NULL::timestamptz',
  unrecognizedAttempts: `'{}'::timestamptz[]`,
  unrecognizedLockLevel: '0',
  unrecognizedLockedUntil: 'NULL::timestamptz',
  failures: '0',
  unrecognizedFailures: '0',
  disabled: 'false',
  recognizedCallers: `'{}'::text[]`,
};

const STORED: CounterColumns = {
  recognizedAttempts: 'counter.recognized_attempts',
  lockLevel: 'counter.lock_level',
  lockedUntil: 'counter.locked_until',
  unrecognizedAttempts: 'counter.unrecognized_attempts',
  unrecognizedLockLevel: 'counter.unrecognized_lock_level',
  unrecognizedLockedUntil: 'counter.unrecognized_locked_until',
  failures: 'counter.failures',
  unrecognizedFailures: 'counter.unrecognized_failures',
  disabled: 'counter.disabled',
  recognizedCallers: 'counter.recognized_callers',
};

/** The columns that an attempt writes, in the order of {@link countedColumns}. */
const COUNTED_COLUMNS = `
    recognized_attempts,
    lock_level,
    locked_until,
    unrecognized_attempts,
    unrecognized_lock_level,
    unrecognized_locked_until,
    failures,
    unrecognized_failures,
    disabled,
    unrecognized,
    granted,
    charged_lock,
    charged_disable,
    remaining,
    last_attempt_at`;

/** `attemptsAt` of `attempt-counter.decision.ts`. */
const attemptsAt = (attempts: string, lockedUntil: string): string => `ARRAY(
      SELECT at
      FROM unnest(${attempts}) AS at
      WHERE at > clock.now - make_interval(secs => attempt.window_seconds)
        AND NOT COALESCE(${lockedUntil} <= clock.now, false)
    )`;

/**
 * The values of {@link COUNTED_COLUMNS} after `attempt` at the time `clock.now`: `countAttempt` of
 * `attempt-counter.decision.ts`, with the same names. Used for stored and for new rows. OFFSET 0 keeps the planner from
 * copying the expressions of one step into every use in the next.
 */
const countedColumns = (counter: CounterColumns, from: string): string => `
  SELECT
    CASE WHEN caller.unrecognized THEN ${counter.recognizedAttempts} ELSE new_window.attempts END,
    CASE WHEN caller.unrecognized THEN ${counter.lockLevel} ELSE new_window.lock_level END,
    CASE WHEN caller.unrecognized THEN ${counter.lockedUntil} ELSE new_window.locked_until END,
    CASE WHEN caller.unrecognized THEN new_window.attempts ELSE ${counter.unrecognizedAttempts} END,
    CASE WHEN caller.unrecognized THEN new_window.lock_level ELSE ${counter.unrecognizedLockLevel} END,
    CASE WHEN caller.unrecognized THEN new_window.locked_until ELSE ${counter.unrecognizedLockedUntil} END,
    failed.failures,
    failed.unrecognized_failures,
    ${counter.disabled} OR cap.charged_disable,
    caller.unrecognized,
    failed.granted,
    new_window.charged_lock,
    cap.charged_disable,
    CASE
      WHEN before.closed THEN 0
      ELSE GREATEST(0, LEAST(
        allowed.remaining_of_window,
        attempt.cap - CASE WHEN own.last_is_reserved THEN failed.unrecognized_failures ELSE failed.failures END
      ))
    END,
    clock.now
  FROM ${from},
  LATERAL (
    SELECT NOT COALESCE(attempt.caller = ANY (${counter.recognizedCallers}), false) AS unrecognized
  ) caller,
  LATERAL (
    SELECT
      caller.unrecognized AND cardinality(${counter.recognizedCallers}) > 0 AS last_is_reserved,
      CASE WHEN caller.unrecognized THEN ${counter.unrecognizedAttempts} ELSE ${counter.recognizedAttempts} END AS attempts,
      CASE WHEN caller.unrecognized THEN ${counter.unrecognizedLockLevel} ELSE ${counter.lockLevel} END AS lock_level,
      CASE WHEN caller.unrecognized THEN ${counter.unrecognizedLockedUntil} ELSE ${counter.lockedUntil} END AS locked_until
  ) own,
  LATERAL (
    SELECT
      ${counter.disabled}
        OR COALESCE(${counter.lockedUntil} > clock.now, false)
        OR (caller.unrecognized AND COALESCE(${counter.unrecognizedLockedUntil} > clock.now, false))
        OR (own.last_is_reserved AND ${counter.unrecognizedFailures} >= attempt.cap) AS closed,
      ${attemptsAt(counter.recognizedAttempts, counter.lockedUntil)} AS recognized,
      ${attemptsAt(counter.unrecognizedAttempts, counter.unrecognizedLockedUntil)} AS unrecognized
    OFFSET 0
  ) before,
  LATERAL (
    SELECT cardinality(before.recognized) + LEAST(
      cardinality(before.unrecognized),
      CASE WHEN caller.unrecognized THEN cardinality(before.unrecognized) ELSE attempt.per_window - 1 END
    ) AS attempts
    OFFSET 0
  ) used,
  LATERAL (
    SELECT
      NOT before.closed AND used.attempts < attempt.per_window AS within_window,
      NOT before.closed AND used.attempts < attempt.per_window - own.last_is_reserved::int AS counted,
      GREATEST(attempt.per_window - used.attempts - 1, 0) AS remaining_of_window
  ) allowed,
  LATERAL (
    SELECT allowed.counted AND NOT (
      own.last_is_reserved AND (
        ${counter.unrecognizedFailures} >= attempt.cap / 2
        OR ${counter.failures} + 1 >= attempt.cap
      )
    ) AS granted
  ) compared,
  LATERAL (
    SELECT
      compared.granted,
      ${counter.failures} + compared.granted::int AS failures,
      ${counter.unrecognizedFailures} + (allowed.within_window AND caller.unrecognized)::int AS unrecognized_failures
    OFFSET 0
  ) failed,
  LATERAL (
    SELECT failed.granted AND failed.failures >= attempt.cap AS charged_disable
  ) cap,
  LATERAL (
    SELECT
      NOT before.closed AND allowed.remaining_of_window = 0 AS charged_lock,
      CASE
        WHEN before.closed THEN own.attempts
        ELSE CASE WHEN caller.unrecognized THEN before.unrecognized ELSE before.recognized END
          || CASE WHEN allowed.counted THEN ARRAY[clock.now] ELSE '{}' END
      END AS attempts,
      CASE
        WHEN before.closed OR allowed.remaining_of_window > 0 THEN own.lock_level
        ELSE own.lock_level + 1
      END AS lock_level,
      CASE
        WHEN before.closed THEN own.locked_until
        WHEN allowed.remaining_of_window > 0 THEN NULL
        ELSE clock.now + make_interval(secs => LEAST(
          attempt.lock_seconds * power(2, LEAST(own.lock_level, ${MAX_DOUBLINGS})),
          attempt.max_lock_seconds
        ))
      END AS locked_until
  ) new_window`;

/**
 * The attempt gate: one statement that claims the commands, counts the attempts, charges locks and disabling and writes
 * the ledger rows, for one attempt or for many. It is `countAttempt` of `attempt-counter.decision.ts` in SQL; a model test
 * holds both to the same results.
 *
 * Why it is exact: ON CONFLICT locks the counter's row before SET is computed, so parallel attempts at one reference run one
 * after the other, in all replicas. `now` is the clock of the database and never runs backwards on a row. A command that is
 * already claimed gives no row in `claimed`, and then nothing else happens.
 *
 * A counter that differs from its ledger gets no attempt_count, which the column refuses, so no attempt is counted or
 * compared. A counter whose row was removed starts at number 1 again, which the ledger already has and refuses.
 *
 * The counter keeps the subject of an enrolment that was committed while an attempt at the unknown reference was under way.
 *
 * Each command and each counter occurs at most once in a statement, because a statement can update a row only once. All
 * statements lock rows in one order, commands before counters and each sorted, so two statements cannot deadlock.
 *
 * $1 attempts as JSON, $2 their number, see `countParameters`
 * @param clock an expression; only a test of the statement has a time of its own
 */
export const countStatement = (clock = 'clock_timestamp()'): string => `
WITH attempt AS MATERIALIZED (
  SELECT
    command_id,
    fingerprint,
    attempt_id,
    repeat_seconds,
    tenant,
    agent,
    call_id,
    counter_key,
    subject_id,
    caller,
    LEAST(cap, ${HIGHEST_CAP}) AS cap,
    per_window,
    window_seconds,
    lock_seconds,
    max_lock_seconds
  FROM jsonb_to_recordset($1::jsonb) AS input(
    command_id text,
    fingerprint text,
    attempt_id uuid,
    repeat_seconds integer,
    tenant text,
    agent text,
    call_id text,
    counter_key text,
    subject_id text,
    caller text,
    cap integer,
    per_window integer,
    window_seconds integer,
    lock_seconds integer,
    max_lock_seconds integer
  )
  LIMIT $2
), claimed AS (
  INSERT INTO verification.commands AS command (
    command_id,
    fingerprint,
    attempt_id,
    received_at,
    repeat_until
  )
  SELECT
    attempt.command_id,
    attempt.fingerprint,
    attempt.attempt_id,
    clock.now,
    clock.now + make_interval(secs => attempt.repeat_seconds)
  FROM attempt, LATERAL (SELECT ${clock} AS now) clock
  ORDER BY attempt.command_id
  ON CONFLICT (command_id) DO UPDATE
    SET
      fingerprint = EXCLUDED.fingerprint,
      attempt_id = EXCLUDED.attempt_id,
      received_at = EXCLUDED.received_at,
      repeat_until = EXCLUDED.repeat_until,
      reply = NULL,
      reply_tag = NULL
    WHERE command.repeat_until <= EXCLUDED.received_at
  RETURNING command.attempt_id
), counted AS (
  INSERT INTO verification.attempt_counters AS counter (
    tenant,
    counter_key,
    subject_id,
    attempt_count,${COUNTED_COLUMNS}
  )
  SELECT
    attempt.tenant,
    attempt.counter_key,
    attempt.subject_id,
    1,
    counted_columns.*
  FROM claimed
  JOIN attempt USING (attempt_id),
  LATERAL (${countedColumns(NEW, `(SELECT ${clock} AS now) clock`)}
  ) counted_columns
  ORDER BY attempt.tenant, attempt.counter_key
  ON CONFLICT (tenant, counter_key) DO UPDATE
    SET (
    subject_id,
    attempt_count,${COUNTED_COLUMNS}
    ) = (
      SELECT
        COALESCE(EXCLUDED.subject_id, counter.subject_id),
        CASE WHEN verification.matches_ledger(counter) THEN counter.attempt_count + 1 END,
        counted_columns.*
      FROM attempt,
      LATERAL (${countedColumns(STORED, '(SELECT GREATEST(EXCLUDED.last_attempt_at, counter.last_attempt_at) AS now) clock')}
      ) counted_columns
      WHERE attempt.tenant = EXCLUDED.tenant AND attempt.counter_key = EXCLUDED.counter_key
    )
  RETURNING
    counter.tenant,
    counter.counter_key,
    counter.attempt_count AS number,
    counter.last_attempt_at AS counted_at,
    counter.unrecognized,
    counter.granted,
    counter.charged_lock,
    counter.charged_disable,
    counter.disabled,
    counter.remaining,
    verification.counter_state_of(counter) AS state_after
), ledger AS (
  INSERT INTO verification.attempts (
    attempt_id,
    command_id,
    tenant,
    agent,
    call_id,
    counter_key,
    subject_id,
    number,
    counted_at,
    unrecognized,
    granted,
    charged_lock,
    charged_disable,
    disabled,
    remaining,
    state_after
  )
  SELECT
    attempt.attempt_id,
    attempt.command_id,
    attempt.tenant,
    attempt.agent,
    attempt.call_id,
    attempt.counter_key,
    attempt.subject_id,
    counted.number,
    counted.counted_at,
    counted.unrecognized,
    counted.granted,
    counted.charged_lock,
    counted.charged_disable,
    counted.disabled,
    counted.remaining,
    counted.state_after
  FROM counted
  JOIN attempt USING (tenant, counter_key)
)
SELECT
  attempt.attempt_id,
  counted.number,
  counted.counted_at,
  counted.unrecognized,
  counted.granted,
  counted.charged_lock,
  counted.charged_disable,
  counted.disabled,
  counted.remaining
FROM counted
JOIN attempt USING (tenant, counter_key)`;

export const COUNT_ATTEMPTS = countStatement();

/** A command with its latest attempt and the stored reply; a command of the previous version has its own. The attempt is null if it belongs to another tenant or command. $1 command */
export const FIND_COMMAND = `
SELECT
  command.fingerprint,
  command.reply AS earlier_reply,
  command.reply_tag AS earlier_tag,
  attempt.attempt_id,
  attempt.counter_key,
  attempt.subject_id,
  attempt.number,
  attempt.counted_at,
  attempt.unrecognized,
  attempt.granted,
  attempt.charged_lock,
  attempt.charged_disable,
  attempt.disabled,
  attempt.remaining,
  attempt.outcome,
  attempt.reply,
  encode(attempt.reply_tag, 'hex') AS reply_tag,
  attempt.level,
  attempt.expires_at
FROM verification.commands command
LEFT JOIN verification.attempts attempt
  ON attempt.attempt_id = command.attempt_id AND attempt.command_id = command.command_id
WHERE command.command_id = $1`;
