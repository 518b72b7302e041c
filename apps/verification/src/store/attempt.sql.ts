/**
 * The attempt gate: one statement that claims the command, counts the try, charges the lock and writes the ledger row.
 * It is `spend` of `domain/attempts.ts` in SQL; the contract suite holds both to the same answers.
 *
 * Why it is exact: the row of the guard is locked by ON CONFLICT before SET is computed, so parallel tries at one
 * reference stand in a line, in every copy of the service. `now` is the database's clock and never runs backwards on a
 * row. A command that is already claimed gives no row in `claim`, and then nothing else happens.
 *
 * $1 command, $2 fingerprint, $3 attempt, $4 repeat seconds, $5 tenant, $6 guard key,
 * $7 per window, $8 window seconds, $9 lock seconds, $10 longest lock seconds, $11 agent, $12 subject
 */
export const SPEND = `
WITH claim AS (
  INSERT INTO verification.commands AS c (command_id, fingerprint, attempt_id, received_at)
  VALUES ($1, $2, $3, clock_timestamp())
  ON CONFLICT (command_id) DO UPDATE
    SET fingerprint = EXCLUDED.fingerprint, attempt_id = EXCLUDED.attempt_id,
        received_at = EXCLUDED.received_at, reply = NULL
    WHERE c.received_at <= EXCLUDED.received_at - make_interval(secs => $4::int)
  RETURNING c.attempt_id
), spent AS (
  INSERT INTO verification.guards AS g
    (tenant, guard_key, tries, recent, lock_level, locked_until, granted, charged_lock, attempts_left, touched_at)
  SELECT $5, $6, 1,
    CASE WHEN $7::int > 1 THEN ARRAY[t.now] ELSE '{}'::timestamptz[] END,
    CASE WHEN $7::int > 1 THEN 0 ELSE 1 END,
    CASE WHEN $7::int > 1 THEN NULL ELSE t.now + make_interval(secs => LEAST($9::int, $10::int)) END,
    true, $7::int <= 1, $7::int - 1, t.now
  FROM claim, (SELECT clock_timestamp() AS now) t
  ON CONFLICT (tenant, guard_key) DO UPDATE
    SET (tries, recent, lock_level, locked_until, granted, charged_lock, attempts_left, touched_at) = (
      SELECT g.tries + 1,
        CASE WHEN s.locked THEN g.recent WHEN s.remaining > 0 THEN s.recent || s.now ELSE '{}'::timestamptz[] END,
        CASE WHEN s.locked OR s.remaining > 0 THEN g.lock_level ELSE g.lock_level + 1 END,
        CASE WHEN s.locked THEN g.locked_until
             WHEN s.remaining > 0 THEN NULL
             ELSE s.now + make_interval(secs => LEAST($9::int * power(2, LEAST(g.lock_level, 20)), $10::int)) END,
        NOT s.locked AND cardinality(s.recent) < $7::int,
        NOT s.locked AND s.remaining = 0,
        CASE WHEN s.locked THEN 0 ELSE s.remaining END,
        s.now
      FROM (
        SELECT w.now, w.recent, g.locked_until IS NOT NULL AND g.locked_until > w.now AS locked,
          GREATEST($7::int - cardinality(w.recent) - 1, 0) AS remaining
        FROM (
          SELECT t.now, ARRAY(SELECT at FROM unnest(g.recent) AS at
                              WHERE at > t.now - make_interval(secs => $8::int)) AS recent
          FROM (SELECT GREATEST(EXCLUDED.touched_at, g.touched_at) AS now) t
        ) w
      ) s
    )
  RETURNING g.tries, g.granted, g.charged_lock, g.attempts_left, g.touched_at
), ledger AS (
  INSERT INTO verification.attempts
    (attempt_id, command_id, tenant, agent, guard_key, subject_id, number, granted, charged_lock, attempts_left, spent_at)
  SELECT $3, $1, $5, $11, $6, $12, tries, granted, charged_lock, attempts_left, touched_at FROM spent
)
SELECT tries AS number, granted, charged_lock, attempts_left, touched_at AS spent_at FROM spent`;

/**
 * The verdict: closes the attempt once, settles the guard, keeps the reply for a repeated command, and hands the facts
 * to the outbox. The guard's row is written whatever the verdict, so that the work tells nothing, and its lock gives
 * the facts of one reference the order of their commits.
 *
 * $1 attempt, $2 outcome, $3 reply, $4 command, $5 facts as JSON
 */
export const CLOSE = `
WITH closed AS (
  UPDATE verification.attempts SET outcome = $2, decided_at = clock_timestamp()
  WHERE attempt_id = $1 AND outcome IS NULL
  RETURNING tenant, guard_key
), settled AS (
  UPDATE verification.guards g
  SET recent = CASE WHEN $2 = 'verified' THEN '{}'::timestamptz[] ELSE g.recent END,
      lock_level = CASE WHEN $2 = 'verified' THEN 0 ELSE g.lock_level END,
      locked_until = CASE WHEN $2 = 'verified' THEN NULL ELSE g.locked_until END
  FROM closed WHERE g.tenant = closed.tenant AND g.guard_key = closed.guard_key
  RETURNING 1
), answered AS (
  UPDATE verification.commands SET reply = $3
  WHERE command_id = $4 AND attempt_id = $1 AND EXISTS (SELECT FROM closed)
), published AS (
  INSERT INTO verification.outbox (id, topic, key, headers, payload)
  SELECT f.id, f.topic, f.key, f.headers, f.value
  FROM settled, jsonb_to_recordset($5::jsonb) AS f(id uuid, topic text, key text, headers jsonb, value text)
)
SELECT 1 FROM closed`;

/** What became of a command: its latest attempt and the stored reply. $1 command */
export const RECALL = `
SELECT c.fingerprint, c.reply, a.attempt_id, a.guard_key, a.subject_id, a.number, a.granted, a.charged_lock,
  a.attempts_left, a.spent_at, a.outcome
FROM verification.commands c JOIN verification.attempts a ON a.attempt_id = c.attempt_id
WHERE c.command_id = $1`;
