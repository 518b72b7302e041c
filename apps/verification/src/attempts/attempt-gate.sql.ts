import { MAX_RECOGNIZED_CALLERS } from './attempt-counter.decision.js';
import { RECORDED, recordOf } from './attempt-counter.sql.js';

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
  readonly callers: string;
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
  callers: `'{}'::text[]`,
};

const STORED: CounterColumns = {
  recognizedAttempts: 'g.recognized_attempts',
  lockLevel: 'g.lock_level',
  lockedUntil: 'g.locked_until',
  unrecognizedAttempts: 'g.unrecognized_attempts',
  unrecognizedLockLevel: 'g.unrecognized_lock_level',
  unrecognizedLockedUntil: 'g.unrecognized_locked_until',
  failures: 'g.failures',
  unrecognizedFailures: 'g.unrecognized_failures',
  disabled: 'g.disabled',
  callers: 'g.callers',
};

const COLUMNS = `recognized_attempts, lock_level, locked_until, unrecognized_attempts, unrecognized_lock_level,
     unrecognized_locked_until, failures, unrecognized_failures, disabled, unrecognized, granted, charged_lock,
     charged_disable, remaining, touched_at`;

/** `attemptsAt` of `attempt-counter.decision.ts`. */
const attemptsAt = (attempts: string, lockedUntil: string): string => `ARRAY(
        SELECT at FROM unnest(${attempts}) AS at
        WHERE at > n.now - make_interval(secs => t.window_seconds) AND NOT COALESCE(${lockedUntil} <= n.now, false))`;

/**
 * The values of {@link COLUMNS} after the attempt `t` at the time `n.now`: `countAttempt` of `attempt-counter.decision.ts`, with
 * the same names. Used for stored and for new rows. OFFSET 0 keeps the planner from copying the expressions of one step into
 * every use in the next.
 */
const step = (g: CounterColumns, from: string): string => `
  SELECT
    CASE WHEN c.unrecognized THEN ${g.recognizedAttempts} ELSE s.attempts END,
    CASE WHEN c.unrecognized THEN ${g.lockLevel} ELSE s.lock_level END,
    CASE WHEN c.unrecognized THEN ${g.lockedUntil} ELSE s.locked_until END,
    CASE WHEN c.unrecognized THEN s.attempts ELSE ${g.unrecognizedAttempts} END,
    CASE WHEN c.unrecognized THEN s.lock_level ELSE ${g.unrecognizedLockLevel} END,
    CASE WHEN c.unrecognized THEN s.locked_until ELSE ${g.unrecognizedLockedUntil} END,
    f.failures, f.unrecognized_failures, ${g.disabled} OR d.charged_disable,
    c.unrecognized, f.granted, s.charged_lock, d.charged_disable,
    CASE WHEN w.closed THEN 0
         ELSE GREATEST(LEAST(b.remaining, t.cap - CASE WHEN c.last_is_reserved THEN f.unrecognized_failures ELSE f.failures END), 0)
    END,
    n.now
  FROM ${from},
  LATERAL (SELECT NOT COALESCE(t.caller = ANY (${g.callers}), false) AS unrecognized) k,
  LATERAL (SELECT k.unrecognized, k.unrecognized AND cardinality(${g.callers}) > 0 AS last_is_reserved,
      CASE WHEN k.unrecognized THEN ${g.unrecognizedAttempts} ELSE ${g.recognizedAttempts} END AS attempts,
      CASE WHEN k.unrecognized THEN ${g.unrecognizedLockLevel} ELSE ${g.lockLevel} END AS lock_level,
      CASE WHEN k.unrecognized THEN ${g.unrecognizedLockedUntil} ELSE ${g.lockedUntil} END AS locked_until) c,
  LATERAL (SELECT
      ${g.disabled} OR COALESCE(${g.lockedUntil} > n.now, false)
        OR (c.unrecognized AND COALESCE(${g.unrecognizedLockedUntil} > n.now, false))
        OR (c.last_is_reserved AND ${g.unrecognizedFailures} >= t.cap) AS closed,
      ${attemptsAt(g.recognizedAttempts, g.lockedUntil)} AS recognized,
      ${attemptsAt(g.unrecognizedAttempts, g.unrecognizedLockedUntil)} AS unrecognized
      OFFSET 0) w,
  LATERAL (SELECT cardinality(w.recognized) + LEAST(cardinality(w.unrecognized),
      CASE WHEN c.unrecognized THEN cardinality(w.unrecognized) ELSE t.per_window - 1 END) AS taken
      OFFSET 0) u,
  LATERAL (SELECT NOT w.closed AND u.taken < t.per_window AS within_budget,
      NOT w.closed AND u.taken < t.per_window - c.last_is_reserved::int AS counted,
      GREATEST(t.per_window - u.taken - 1, 0) AS remaining) b,
  LATERAL (SELECT b.counted AND NOT (c.last_is_reserved AND
      (${g.unrecognizedFailures} >= t.cap / 2 OR ${g.failures} + 1 >= t.cap)) AS granted) e,
  LATERAL (SELECT e.granted, ${g.failures} + e.granted::int AS failures,
      ${g.unrecognizedFailures} + (b.within_budget AND c.unrecognized)::int AS unrecognized_failures
      OFFSET 0) f,
  LATERAL (SELECT f.granted AND f.failures >= t.cap AS charged_disable) d,
  LATERAL (SELECT NOT w.closed AND b.remaining = 0 AS charged_lock,
      CASE WHEN w.closed THEN c.attempts
           ELSE CASE WHEN c.unrecognized THEN w.unrecognized ELSE w.recognized END
             || CASE WHEN b.counted THEN ARRAY[n.now] ELSE '{}' END END AS attempts,
      CASE WHEN w.closed OR b.remaining > 0 THEN c.lock_level ELSE c.lock_level + 1 END AS lock_level,
      CASE WHEN w.closed THEN c.locked_until
           WHEN b.remaining > 0 THEN NULL
           ELSE n.now + make_interval(secs =>
             LEAST(t.lock_seconds * power(2, LEAST(c.lock_level, 20)), t.max_lock_seconds)) END AS locked_until) s`;

/**
 * The attempt gate: one statement that claims the commands, counts the attempts, charges locks and disabling and writes
 * the ledger rows, for one attempt or for many. It is `countAttempt` of `attempt-counter.decision.ts` in SQL; a model test
 * holds both to the same results.
 *
 * Why it is exact: ON CONFLICT locks the counter's row before SET is computed, so parallel attempts at one reference run one
 * after the other, in all replicas. `now` is the clock of the database and never runs backwards on a row. A command that is
 * already claimed gives no row in `claim`, and then nothing else happens.
 *
 * A counter that differs from its ledger gets no number, which the column refuses, so no attempt is counted or compared. A
 * counter whose row was removed starts at number 1 again, which the ledger already has and refuses.
 *
 * Each command and each counter occurs at most once in a statement, because a statement can update a row only once. All
 * statements lock rows in one order, commands before counters and each sorted, so two statements cannot deadlock.
 *
 * Arrays of equal length: $1 commands, $2 fingerprints, $3 attempts, $4 repeat seconds, $5 tenants, $6 counter keys,
 * $7 per window, $8 window seconds, $9 lock seconds, $10 longest lock seconds, $11 agents, $12 subjects,
 * $13 callers, $14 caps, $15 calls
 * @param clock an expression; only a test of the statement has a time of its own
 */
export const countStatement = (clock = 'clock_timestamp()'): string => `
WITH tried AS MATERIALIZED (
  SELECT command_id, fingerprint, attempt_id, repeat_seconds, tenant, guard_key, per_window, window_seconds, lock_seconds,
    max_lock_seconds, agent, subject_id, caller, LEAST(cap, 100) AS cap, call_id
  FROM unnest($1::text[], $2::text[], $3::uuid[], $4::int[], $5::text[], $6::text[], $7::int[], $8::int[],
              $9::int[], $10::int[], $11::text[], $12::text[], $13::text[], $14::int[], $15::text[])
    AS t(command_id, fingerprint, attempt_id, repeat_seconds, tenant, guard_key, per_window, window_seconds,
         lock_seconds, max_lock_seconds, agent, subject_id, caller, cap, call_id)
), claim AS (
  INSERT INTO verification.commands AS c (command_id, fingerprint, attempt_id, received_at, repeat_until)
  SELECT t.command_id, t.fingerprint, t.attempt_id, n.now, n.now + make_interval(secs => t.repeat_seconds)
  FROM tried t, LATERAL (SELECT ${clock} AS now) n ORDER BY t.command_id
  ON CONFLICT (command_id) DO UPDATE
    SET fingerprint = EXCLUDED.fingerprint, attempt_id = EXCLUDED.attempt_id, received_at = EXCLUDED.received_at,
        repeat_until = EXCLUDED.repeat_until, reply = NULL, reply_tag = NULL
    WHERE c.repeat_until <= EXCLUDED.received_at
  RETURNING c.attempt_id
), spent AS (
  INSERT INTO verification.guards AS g
    (tenant, guard_key, subject_id, tries, ${COLUMNS})
  SELECT t.tenant, t.guard_key, t.subject_id, 1, x.*
  FROM claim JOIN tried t USING (attempt_id), LATERAL (${step(NEW, `(SELECT ${clock} AS now) n`)}) x
  ORDER BY t.tenant, t.guard_key
  ON CONFLICT (tenant, guard_key) DO UPDATE
    SET (subject_id, tries, ${COLUMNS}) = (
      SELECT EXCLUDED.subject_id, CASE WHEN verification.is_on_record(g) THEN g.tries + 1 END, x.*
      FROM tried t, LATERAL (${step(STORED, '(SELECT GREATEST(EXCLUDED.touched_at, g.touched_at) AS now) n')}) x
      WHERE t.tenant = EXCLUDED.tenant AND t.guard_key = EXCLUDED.guard_key
    )
  RETURNING g.tenant, g.guard_key, g.tries, g.granted, g.charged_lock, g.charged_disable, g.disabled, g.unrecognized,
    g.remaining, g.touched_at, verification.state_of(g) AS after
), ledger AS (
  INSERT INTO verification.attempts
    (attempt_id, command_id, tenant, agent, guard_key, subject_id, number, granted, charged_lock, charged_disable,
     disabled, unrecognized, remaining, spent_at, after, call_id)
  SELECT t.attempt_id, t.command_id, t.tenant, t.agent, t.guard_key, t.subject_id, s.tries, s.granted, s.charged_lock,
    s.charged_disable, s.disabled, s.unrecognized, s.remaining, s.touched_at, s.after, t.call_id
  FROM spent s JOIN tried t USING (tenant, guard_key)
)
SELECT t.attempt_id, s.tries AS number, s.granted, s.charged_lock, s.charged_disable, s.disabled, s.unrecognized,
  s.remaining, s.touched_at AS spent_at
FROM spent s JOIN tried t USING (tenant, guard_key)`;

export const COUNT_ATTEMPTS = countStatement();

/**
 * Stores outcomes: decides each attempt once, applies the outcome to its counter, stores the reply for a repeated command and
 * adds the facts to the outbox. The counter row is always written, so the amount of work does not reveal the outcome, and its
 * lock orders the facts of one reference by their commits. Rows are locked as in {@link COUNT_ATTEMPTS}. `settled` is
 * `applyOutcome` of `attempt-counter.decision.ts`. The change by a success is stored as a counter adjustment; any other outcome
 * leaves the counter as the ledger has it.
 *
 * The success is a part of its ledger row. Whether it still holds is computed from later rows, so a failure writes nothing
 * about the call. Such a write would cost more work exactly where somebody was verified.
 *
 * Arrays of equal length, no counter twice: $1 attempts, $2 outcomes, $3 replies, $4 commands, $5 facts as JSON, $6 callers,
 * $7 stored successes as JSON or null, $8 tags of the replies, $9 compared credentials of successes as JSON
 *
 * A success counts only while the compared credential is in force; otherwise nothing is written for it and `closed` is false.
 * The credential row is locked until the commit, because a waiting statement sees an old snapshot. So an enrolment or erasure
 * comes completely before this outcome, or completely after it and undoes it. Both lock credentials before counters, as here.
 * No version is used twice, even after an erasure; the attempt must be younger than the credential.
 */
export const DECIDE_ATTEMPTS = `
WITH verdict AS MATERIALIZED (
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::text[], $7::jsonb[],
                       $8::text[], $9::jsonb[])
    AS v(attempt_id, outcome, reply, command_id, facts, caller, success, reply_tag, compared)
), held AS MATERIALIZED (
  SELECT c.command_id, c.attempt_id AS latest FROM verification.commands c
  WHERE c.command_id IN (SELECT command_id FROM verdict)
  ORDER BY c.command_id FOR UPDATE
), in_force AS MATERIALIZED (
  SELECT v.attempt_id FROM verdict v JOIN held h USING (command_id) JOIN verification.attempts a USING (attempt_id),
    LATERAL jsonb_to_record(v.compared) AS w(tenant text, subject text, kind text, version integer, "enrolledAt" bigint)
    JOIN verification.credentials k ON k.tenant = w.tenant AND k.subject_id = w.subject AND k.kind = w.kind
  WHERE v.compared IS NOT NULL AND k.version = w.version
    AND w."enrolledAt" <= extract(epoch FROM a.spent_at) * 1000000
  ORDER BY k.tenant, k.subject_id, k.kind FOR SHARE OF k
), standing AS MATERIALIZED (
  SELECT v.attempt_id FROM verdict v WHERE v.compared IS NULL OR v.attempt_id IN (SELECT attempt_id FROM in_force)
), closed AS (
  UPDATE verification.attempts a SET outcome = v.outcome, decided_at = clock_timestamp(), method = k.method, level = k.level,
    incarnation = k.incarnation, credential_version = k."credentialVersion", expires_at = k."expiresAt", success_tag = k.tag
  FROM verdict v JOIN held h USING (command_id) JOIN standing USING (attempt_id)
    LEFT JOIN LATERAL jsonb_to_record(v.success) AS k(method text, level text, incarnation uuid, "credentialVersion" integer,
                                                      "expiresAt" timestamptz, tag text) ON true
  WHERE a.attempt_id = v.attempt_id AND a.outcome IS NULL
  RETURNING a.attempt_id, a.tenant, a.guard_key, a.unrecognized, a.charged_disable, v.caller, v.outcome = 'verified' AS success
), locked AS MATERIALIZED (
  SELECT c.*, g AS was FROM verification.guards g JOIN closed c USING (tenant, guard_key)
  ORDER BY g.tenant, g.guard_key FOR UPDATE OF g
), settled AS (
  UPDATE verification.guards g
  SET recognized_attempts = CASE WHEN l.success THEN '{}' ELSE g.recognized_attempts END,
      lock_level = CASE WHEN l.success THEN 0 ELSE g.lock_level END,
      locked_until = CASE WHEN l.success THEN NULL ELSE g.locked_until END,
      unrecognized_attempts = CASE WHEN l.success AND l.unrecognized THEN '{}' ELSE g.unrecognized_attempts END,
      unrecognized_lock_level = CASE WHEN l.success AND l.unrecognized THEN 0 ELSE g.unrecognized_lock_level END,
      unrecognized_locked_until = CASE WHEN l.success AND l.unrecognized THEN NULL ELSE g.unrecognized_locked_until END,
      failures = CASE WHEN l.success THEN 0 ELSE g.failures END,
      unrecognized_failures = CASE WHEN l.success THEN 0 ELSE g.unrecognized_failures END,
      disabled = g.disabled AND NOT (l.success AND l.charged_disable),
      callers = CASE WHEN l.success AND l.caller IS NOT NULL THEN (
        SELECT k.all_of[GREATEST(cardinality(k.all_of) - ${MAX_RECOGNIZED_CALLERS - 1}, 1):]
        FROM (SELECT array_remove(g.callers, l.caller) || l.caller AS all_of) k) ELSE g.callers END
  FROM locked l WHERE g.tenant = l.tenant AND g.guard_key = l.guard_key
  RETURNING l.attempt_id, CASE WHEN l.success THEN verification.is_on_record(l.was) END AS on_record, ${RECORDED}
), record AS (${recordOf('settled WHERE on_record')}
), answered AS (
  UPDATE verification.commands c SET reply = v.reply, reply_tag = v.reply_tag
  FROM verdict v JOIN closed USING (attempt_id)
  WHERE c.command_id = v.command_id AND c.attempt_id = v.attempt_id
), published AS (
  INSERT INTO verification.outbox (id, topic, key, headers, payload)
  SELECT f.id, f.topic, f.key, f.headers, f.value
  FROM settled JOIN verdict v USING (attempt_id),
    LATERAL ROWS FROM (jsonb_to_recordset(v.facts) AS (id uuid, topic text, key text, headers jsonb, value text))
      WITH ORDINALITY AS f(id, topic, key, headers, value, place)
  ORDER BY f.key, f.place
)
SELECT attempt_id, true AS closed FROM closed
UNION ALL SELECT attempt_id, false FROM verdict WHERE attempt_id NOT IN (SELECT attempt_id FROM standing)`;

/** A command with its latest attempt and stored reply; the attempt is null if it belongs to another tenant or command. $1 command */
export const FIND_COMMAND = `
SELECT c.fingerprint, c.reply, c.reply_tag, a.attempt_id, a.guard_key, a.subject_id, a.number, a.granted, a.charged_lock,
  a.charged_disable, a.disabled, a.unrecognized, a.remaining, a.spent_at, a.outcome
FROM verification.commands c
LEFT JOIN verification.attempts a ON a.attempt_id = c.attempt_id AND a.command_id = c.command_id
WHERE c.command_id = $1`;
