import { MAX_RECOGNIZED_CALLERS } from './gate/attempt-counter.decision.js';
import { ADJUSTMENT, storeAdjustments } from './gate/attempt-counter.sql.js';

const MICROSECONDS_PER_SECOND = 1_000_000;

/**
 * Stores outcomes: decides each attempt once, with the reply for a repeated command, applies the outcome to its counter and adds
 * its messages to the outbox. The counter row is always written, so the amount of work does not reveal the outcome, and its lock
 * orders the messages of one reference by their commits. `applied` is `applyOutcome` of `attempt-counter.decision.ts`. The ledger
 * states the counter after the outcome of its latest attempt; what it does not state of a success is stored as a counter
 * adjustment.
 *
 * Counters are locked first, in the order of `COUNT_ATTEMPTS`. Each attempt has one counter, so two statements that decide the
 * same attempts cannot deadlock. `decided` counts the locks, because only then does it begin after all of them are held.
 *
 * The success is a part of its ledger row. Whether it still holds is computed from later rows, so a failure writes nothing
 * about the call. Such a write would cost more work exactly where somebody was verified.
 *
 * A success counts only while the compared credential is in force; otherwise nothing is written for it and `decided` is false.
 * The credential row is locked until the commit, because a waiting statement sees an old snapshot. So an enrolment or erasure
 * comes completely before this outcome, or completely after it and undoes it. Both lock credentials before counters, as here.
 * No version is used twice, even after an erasure; the attempt must be younger than the credential.
 *
 * What operators see of a caller is written when the caller becomes recognized, and removed when eight others are recognized later,
 * also if nothing is stored of those.
 *
 * $1 outcomes as JSON, $2 their number, see `decideParameters`; no counter twice, `success` and `compared` may be null
 */
export const DECIDE_ATTEMPTS = `
WITH outcome AS MATERIALIZED (
  SELECT *
  FROM jsonb_to_recordset($1::jsonb) AS input(
    attempt_id uuid,
    caller text,
    sealed_caller text,
    outcome text,
    reply text,
    reply_tag text,
    messages jsonb,
    success jsonb,
    compared jsonb
  )
  LIMIT $2
), in_force AS MATERIALIZED (
  SELECT outcome.attempt_id
  FROM outcome
  JOIN verification.attempts attempt USING (attempt_id),
  LATERAL jsonb_to_record(outcome.compared) AS compared(
    tenant text,
    subject_id text,
    kind text,
    version integer,
    enrolled_us bigint
  )
  JOIN verification.credentials credential
    ON credential.tenant = compared.tenant
    AND credential.subject_id = compared.subject_id
    AND credential.kind = compared.kind
  WHERE outcome.compared IS NOT NULL
    AND credential.version = compared.version
    AND compared.enrolled_us <= extract(epoch FROM attempt.counted_at) * ${MICROSECONDS_PER_SECOND}
  ORDER BY credential.tenant, credential.subject_id, credential.kind
  FOR SHARE OF credential
), valid AS MATERIALIZED (
  SELECT outcome.attempt_id
  FROM outcome
  WHERE outcome.compared IS NULL OR outcome.attempt_id IN (SELECT attempt_id FROM in_force)
), locked AS MATERIALIZED (
  SELECT outcome.attempt_id, counter AS counter_before
  FROM outcome
  JOIN valid USING (attempt_id)
  JOIN verification.attempts attempt USING (attempt_id)
  JOIN verification.attempt_counters counter USING (tenant, counter_key)
  ORDER BY counter.tenant, counter.counter_key
  FOR UPDATE OF counter
), decided AS (
  UPDATE verification.attempts attempt
  SET
    outcome = outcome.outcome,
    decided_at = clock_timestamp(),
    reply = outcome.reply,
    reply_tag = decode(outcome.reply_tag, 'hex'),
    agent_created_at = success.agent_created_at,
    method = success.method,
    level = success.level,
    incarnation = success.incarnation,
    credential_version = success.credential_version,
    expires_at = success.expires_at,
    success_tag = success.success_tag
  FROM outcome
  JOIN valid USING (attempt_id)
  LEFT JOIN LATERAL jsonb_to_record(outcome.success) AS success(
    agent_created_at timestamptz,
    method text,
    level text,
    incarnation uuid,
    credential_version integer,
    expires_at timestamptz,
    success_tag text
  ) ON true
  CROSS JOIN (SELECT count(*) AS counters FROM locked) all_locked
  WHERE attempt.attempt_id = outcome.attempt_id AND attempt.outcome IS NULL AND attempt.reply_tag IS NULL
    AND all_locked.counters >= 0
  RETURNING
    attempt.attempt_id,
    attempt.tenant,
    attempt.counter_key,
    attempt.number,
    attempt.unrecognized,
    attempt.charged_disable,
    outcome.caller,
    outcome.outcome = 'verified' AS is_success
), applied AS (
  UPDATE verification.attempt_counters counter
  SET
    recognized_attempts = CASE WHEN decided.is_success THEN '{}' ELSE counter.recognized_attempts END,
    lock_level = CASE WHEN decided.is_success THEN 0 ELSE counter.lock_level END,
    locked_until = CASE WHEN decided.is_success THEN NULL ELSE counter.locked_until END,
    unrecognized_attempts = CASE
      WHEN decided.is_success AND decided.unrecognized THEN '{}'
      ELSE counter.unrecognized_attempts
    END,
    unrecognized_lock_level = CASE
      WHEN decided.is_success AND decided.unrecognized THEN 0
      ELSE counter.unrecognized_lock_level
    END,
    unrecognized_locked_until = CASE
      WHEN decided.is_success AND decided.unrecognized THEN NULL
      ELSE counter.unrecognized_locked_until
    END,
    failures = CASE WHEN decided.is_success THEN 0 ELSE counter.failures END,
    unrecognized_failures = CASE WHEN decided.is_success THEN 0 ELSE counter.unrecognized_failures END,
    disabled = counter.disabled AND NOT (decided.is_success AND decided.charged_disable),
    recognized_callers = CASE
      WHEN decided.is_success AND decided.caller IS NOT NULL THEN (
        SELECT callers.all_of_them[GREATEST(cardinality(callers.all_of_them) - ${MAX_RECOGNIZED_CALLERS - 1}, 1):]
        FROM (SELECT array_remove(counter.recognized_callers, decided.caller) || decided.caller AS all_of_them) callers
      )
      ELSE counter.recognized_callers
    END
  FROM decided
  JOIN locked USING (attempt_id)
  WHERE counter.tenant = decided.tenant AND counter.counter_key = decided.counter_key
  RETURNING
    decided.attempt_id,
    CASE WHEN decided.is_success THEN
      verification.success_needs_adjustment(locked.counter_before, counter.recognized_callers, decided.number)
    END AS is_adjustment,
    decided.is_success AND decided.caller <> ALL ((locked.counter_before).recognized_callers) AS is_new_caller,
    ${ADJUSTMENT}
), adjusted AS (${storeAdjustments('applied WHERE is_adjustment')}
), new_caller AS MATERIALIZED (
  SELECT
    compared.tenant,
    compared.subject_id,
    compared.kind,
    outcome.caller,
    outcome.sealed_caller,
    applied.recognized_callers
  FROM outcome
  JOIN applied USING (attempt_id),
  LATERAL jsonb_to_record(outcome.compared) AS compared(tenant text, subject_id text, kind text)
  WHERE applied.is_new_caller OR outcome.sealed_caller IS NOT NULL
), sealed AS (
  INSERT INTO verification.recognized_callers (tenant, subject_id, kind, caller, sealed)
  SELECT tenant, subject_id, kind, caller, decode(sealed_caller, 'hex')
  FROM new_caller
  WHERE sealed_caller IS NOT NULL
  ORDER BY tenant, subject_id, kind, caller
  ON CONFLICT (tenant, subject_id, kind, caller) DO UPDATE SET sealed = EXCLUDED.sealed
), unsealed AS (
  DELETE FROM verification.recognized_callers recognized
  USING new_caller
  WHERE recognized.tenant = new_caller.tenant
    AND recognized.subject_id = new_caller.subject_id
    AND recognized.kind = new_caller.kind
    AND recognized.caller <> ALL (new_caller.recognized_callers)
), published AS (
  INSERT INTO verification.outbox (
    id,
    topic,
    key,
    headers,
    payload
  )
  SELECT
    message.id,
    message.topic,
    message.key,
    message.headers,
    message.value
  FROM applied
  JOIN outcome USING (attempt_id),
  LATERAL ROWS FROM (
    jsonb_to_recordset(outcome.messages) AS (id uuid, topic text, key text, headers jsonb, value text)
  ) WITH ORDINALITY AS message(id, topic, key, headers, value, place)
  ORDER BY message.key, message.place
)
SELECT attempt_id, true AS decided
FROM decided
UNION ALL
SELECT attempt_id, false
FROM outcome
WHERE attempt_id NOT IN (SELECT attempt_id FROM valid)`;
