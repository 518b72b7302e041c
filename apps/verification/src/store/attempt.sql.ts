/**
 * The attempt gate: one statement that claims the commands, counts the tries, charges the locks and writes the ledger
 * rows, for one try or for many. It is `spend` of `domain/attempts.ts` in SQL; the contract suite holds both to the same
 * answers.
 *
 * Why it is exact: the row of the guard is locked by ON CONFLICT before SET is computed, so parallel tries at one
 * reference stand in a line, in every copy of the service. `now` is the database's clock and never runs backwards on a
 * row. A command that is already claimed gives no row in `claim`, and then nothing else happens.
 *
 * Each command and each guard at most once in a statement: it could not be written twice. Rows are locked in one order
 * by all statements, commands before guards and each kind sorted, so that two statements never wait for each other.
 *
 * Arrays of equal length: $1 commands, $2 fingerprints, $3 attempts, $4 repeat seconds, $5 tenants, $6 guard keys,
 * $7 per window, $8 window seconds, $9 lock seconds, $10 longest lock seconds, $11 agents, $12 subjects
 */
export const SPEND = `
WITH tried AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::int[], $5::text[], $6::text[], $7::int[], $8::int[],
                       $9::int[], $10::int[], $11::text[], $12::text[])
    AS t(command_id, fingerprint, attempt_id, repeat_seconds, tenant, guard_key, per_window, window_seconds,
         lock_seconds, max_lock_seconds, agent, subject_id)
), claim AS (
  INSERT INTO verification.commands AS c (command_id, fingerprint, attempt_id, received_at)
  SELECT command_id, fingerprint, attempt_id, clock_timestamp() FROM tried ORDER BY command_id
  ON CONFLICT (command_id) DO UPDATE
    SET fingerprint = EXCLUDED.fingerprint, attempt_id = EXCLUDED.attempt_id,
        received_at = EXCLUDED.received_at, reply = NULL
    WHERE c.received_at <= EXCLUDED.received_at - make_interval(secs =>
      (SELECT t.repeat_seconds FROM tried t WHERE t.command_id = c.command_id))
  RETURNING c.attempt_id
), spent AS (
  INSERT INTO verification.guards AS g
    (tenant, guard_key, tries, recent, lock_level, locked_until, granted, charged_lock, attempts_left, touched_at)
  SELECT t.tenant, t.guard_key, 1,
    CASE WHEN t.per_window > 1 THEN ARRAY[n.now] ELSE '{}'::timestamptz[] END,
    CASE WHEN t.per_window > 1 THEN 0 ELSE 1 END,
    CASE WHEN t.per_window > 1 THEN NULL
         ELSE n.now + make_interval(secs => LEAST(t.lock_seconds, t.max_lock_seconds)) END,
    true, t.per_window <= 1, t.per_window - 1, n.now
  FROM claim JOIN tried t USING (attempt_id), LATERAL (SELECT clock_timestamp() AS now) n
  ORDER BY t.tenant, t.guard_key
  ON CONFLICT (tenant, guard_key) DO UPDATE
    SET (tries, recent, lock_level, locked_until, granted, charged_lock, attempts_left, touched_at) = (
      SELECT g.tries + 1,
        CASE WHEN s.locked THEN g.recent WHEN s.remaining > 0 THEN s.recent || s.now ELSE '{}'::timestamptz[] END,
        CASE WHEN s.locked OR s.remaining > 0 THEN g.lock_level ELSE g.lock_level + 1 END,
        CASE WHEN s.locked THEN g.locked_until
             WHEN s.remaining > 0 THEN NULL
             ELSE s.now + make_interval(secs =>
               LEAST(s.lock_seconds * power(2, LEAST(g.lock_level, 20)), s.max_lock_seconds)) END,
        NOT s.locked AND cardinality(s.recent) < s.per_window,
        NOT s.locked AND s.remaining = 0,
        CASE WHEN s.locked THEN 0 ELSE s.remaining END,
        s.now
      FROM (
        SELECT w.*, g.locked_until IS NOT NULL AND g.locked_until > w.now AS locked,
          GREATEST(w.per_window - cardinality(w.recent) - 1, 0) AS remaining
        FROM (
          SELECT n.now, t.per_window, t.lock_seconds, t.max_lock_seconds,
            ARRAY(SELECT at FROM unnest(g.recent) AS at
                  WHERE at > n.now - make_interval(secs => t.window_seconds)) AS recent
          FROM tried t, (SELECT GREATEST(EXCLUDED.touched_at, g.touched_at) AS now) n
          WHERE t.tenant = EXCLUDED.tenant AND t.guard_key = EXCLUDED.guard_key
        ) w
      ) s
    )
  RETURNING g.tenant, g.guard_key, g.tries, g.granted, g.charged_lock, g.attempts_left, g.touched_at
), ledger AS (
  INSERT INTO verification.attempts
    (attempt_id, command_id, tenant, agent, guard_key, subject_id, number, granted, charged_lock, attempts_left, spent_at)
  SELECT t.attempt_id, t.command_id, t.tenant, t.agent, t.guard_key, t.subject_id, s.tries, s.granted, s.charged_lock,
    s.attempts_left, s.touched_at
  FROM spent s JOIN tried t USING (tenant, guard_key)
)
SELECT t.attempt_id, s.tries AS number, s.granted, s.charged_lock, s.attempts_left, s.touched_at AS spent_at
FROM spent s JOIN tried t USING (tenant, guard_key)`;

/**
 * The verdicts: closes each attempt once, settles its guard, keeps the reply for a repeated command, and hands the facts
 * to the outbox. The guard's row is written whatever the verdict, so that the work tells nothing, and its lock gives
 * the facts of one reference the order of their commits. Rows are locked as in {@link SPEND}.
 *
 * The state of a call is written as `afterSuccess` of `domain/call-state.ts` says; its row is locked last, sorted too.
 *
 * Arrays of equal length, no guard and no call twice: $1 attempts, $2 outcomes, $3 replies, $4 commands, $5 facts as JSON,
 * $6 states of calls as JSON, or null
 */
export const CLOSE = `
WITH verdict AS MATERIALIZED (
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::jsonb[])
    AS v(attempt_id, outcome, reply, command_id, facts, call)
), held AS MATERIALIZED (
  SELECT c.command_id, c.attempt_id AS latest FROM verification.commands c
  WHERE c.command_id IN (SELECT command_id FROM verdict)
  ORDER BY c.command_id FOR UPDATE
), closed AS (
  UPDATE verification.attempts a SET outcome = v.outcome, decided_at = clock_timestamp()
  FROM verdict v JOIN held h USING (command_id)
  WHERE a.attempt_id = v.attempt_id AND a.outcome IS NULL
  RETURNING a.attempt_id, a.tenant, a.guard_key, v.outcome
), locked AS MATERIALIZED (
  SELECT c.* FROM verification.guards g JOIN closed c USING (tenant, guard_key)
  ORDER BY g.tenant, g.guard_key FOR UPDATE OF g
), settled AS (
  UPDATE verification.guards g
  SET recent = CASE WHEN l.outcome = 'verified' THEN '{}'::timestamptz[] ELSE g.recent END,
      lock_level = CASE WHEN l.outcome = 'verified' THEN 0 ELSE g.lock_level END,
      locked_until = CASE WHEN l.outcome = 'verified' THEN NULL ELSE g.locked_until END
  FROM locked l WHERE g.tenant = l.tenant AND g.guard_key = l.guard_key
  RETURNING l.attempt_id
), answered AS (
  UPDATE verification.commands c SET reply = v.reply
  FROM verdict v JOIN closed USING (attempt_id)
  WHERE c.command_id = v.command_id AND c.attempt_id = v.attempt_id
), called AS (
  INSERT INTO verification.calls AS k
    (tenant, call_id, agent, level, subject_id, verification_id, verified_at, expires_at)
  SELECT l.tenant, s."callId", s.agent, s.level, s.subject, s."verificationId", s."verifiedAt", s."expiresAt"
  FROM settled JOIN locked l USING (attempt_id) JOIN verdict v USING (attempt_id),
    LATERAL jsonb_to_record(v.call) AS s("callId" text, agent text, level text, subject text, "verificationId" uuid,
                                         "verifiedAt" timestamptz, "expiresAt" timestamptz)
  WHERE v.call IS NOT NULL
  ORDER BY 1, 2
  ON CONFLICT (tenant, call_id) DO UPDATE
    SET agent = EXCLUDED.agent, level = EXCLUDED.level, subject_id = EXCLUDED.subject_id,
        verification_id = EXCLUDED.verification_id, verified_at = EXCLUDED.verified_at, expires_at = EXCLUDED.expires_at
    WHERE NOT (k.subject_id = EXCLUDED.subject_id AND k.expires_at > EXCLUDED.verified_at
               AND k.level = 'verified' AND EXCLUDED.level = 'identified')
), published AS (
  INSERT INTO verification.outbox (id, topic, key, headers, payload)
  SELECT f.id, f.topic, f.key, f.headers, f.value
  FROM settled JOIN verdict v USING (attempt_id),
    LATERAL ROWS FROM (jsonb_to_recordset(v.facts) AS (id uuid, topic text, key text, headers jsonb, value text))
      WITH ORDINALITY AS f(id, topic, key, headers, value, place)
  ORDER BY f.key, f.place
)
SELECT attempt_id FROM closed`;

/** What became of a command: its latest attempt and the stored reply. $1 command */
export const RECALL = `
SELECT c.fingerprint, c.reply, a.attempt_id, a.guard_key, a.subject_id, a.number, a.granted, a.charged_lock,
  a.attempts_left, a.spent_at, a.outcome
FROM verification.commands c JOIN verification.attempts a ON a.attempt_id = c.attempt_id
WHERE c.command_id = $1`;
