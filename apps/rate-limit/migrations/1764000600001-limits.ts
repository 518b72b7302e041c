import { Migration } from '@countersign/persistence';

/** Order of the limits in the arguments of the function: the same as LIMIT_DIMENSIONS of the contracts. */
const [CALLER, CALL, SUBJECT, SUBJECTS, DIMENSIONS] = [1, 2, 3, 6, 6];

/**
 * `decide` of `src/domain/decide.ts` for many requests in one call: it locks the row of every key, decides the requests one
 * after the other, and writes each row once. Keys come in one order from everybody, so that no two calls wait for each
 * other. Times are milliseconds since 1970, by this server's clock, read when every row is locked.
 */
const DECIDE = `CREATE FUNCTION rate_limit.decide(
  keys uuid[], -- distinct, in rising order
  commands bigint[], members bigint[], -- one for each request
  places int[], limits int[], periods float8[], bursts int[], shadows boolean[], -- six for each request; place 0: no such limit
  repeats float8[], -- one for each request: how long ago it may have passed to pass again for free; 0: it never is
  OUT place int, OUT admitted boolean, OUT refused int, OUT retry_ms float8, OUT shadowed int, OUT near int,
  OUT agent_left int, OUT agent_reset float8, OUT tenant_left int, OUT tenant_reset float8
) RETURNS SETOF record LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
  counters rate_limit.counters[];
  dirty boolean[] := array_fill(false, ARRAY[cardinality(keys)]);
  c rate_limit.counters;
  over boolean[] := array_fill(false, ARRAY[${DIMENSIONS}]);
  now_ms float8;
  period float8;
  since float8;
  each float8;
  retry float8;
  used float8;
  base float8;
  times float8[];
  is_near boolean;
  most int;
  n int;
  s int;
  holder int; -- the row that holds the command: of its caller, else of its call, else of its subject; NULL: none does
BEGIN
  INSERT INTO rate_limit.counters AS w (key) SELECT k FROM unnest(keys) AS k
    ON CONFLICT (key) DO UPDATE SET tat = w.tat WHERE false;
  SELECT array_agg(w ORDER BY w.key) INTO counters FROM rate_limit.counters w WHERE w.key = ANY (keys);
  now_ms := extract(epoch FROM clock_timestamp()) * 1000;
  FOR i IN 1 .. cardinality(commands) LOOP
    place := i; admitted := true; refused := 0; retry_ms := NULL; shadowed := 0; near := 0;
    agent_left := NULL; agent_reset := NULL; tenant_left := NULL; tenant_reset := NULL;
    s := (i - 1) * ${DIMENSIONS};
    holder := CASE WHEN repeats[i] > 0
      THEN COALESCE(NULLIF(places[s + ${CALLER}], 0), NULLIF(places[s + ${CALL}], 0), NULLIF(places[s + ${SUBJECT}], 0)) END;
    c := counters[holder];
    n := (array_positions(c.commands, commands[i]))[cardinality(array_positions(c.commands, commands[i]))];
    IF c.commands_at[n] > now_ms - repeats[i] THEN
      RETURN NEXT;
      CONTINUE;
    END IF;
    FOR d IN 1 .. ${DIMENSIONS} LOOP
      s := (i - 1) * ${DIMENSIONS} + d;
      CONTINUE WHEN places[s] = 0;
      c := counters[places[s]];
      period := periods[s];
      each := ceil(period / limits[s] * 4096) / 4096;
      most := CASE WHEN limits[s] > 64 THEN bursts[s] ELSE limits[s] END;
      retry := NULL;
      is_near := NULL;
      -- The window of the subjects never goes back with the clock: it would take in again who had left.
      since := CASE WHEN d = ${SUBJECTS} THEN greatest(now_ms, c.seen[cardinality(c.seen)]) ELSE now_ms END - period;
      IF d = ${SUBJECTS} AND c.seen[array_position(c.members, members[i])] > since THEN
        is_near := false;
      ELSIF limits[s] > 64 THEN
        base := greatest(CASE WHEN d = ${SUBJECTS} THEN c.members_tat ELSE c.tat END, now_ms);
        retry := base + each - each * bursts[s];
        used := (base - now_ms) / each;
        is_near := used < ceil(0.8 * most) AND used + 1 >= ceil(0.8 * most);
      ELSE
        -- Both lists are sorted: who came the limit's number before this one says whether there is room.
        IF d = ${SUBJECTS} THEN times := c.seen; ELSE times := c.hits; END IF;
        n := cardinality(times) + 1;
        retry := times[n - limits[s]];
        retry := CASE WHEN retry > since THEN retry + period END;
        is_near := times[n + 1 - ceil(0.8 * most)::int] > since
          AND NOT COALESCE(times[n - ceil(0.8 * most)::int] > since, false);
      END IF;
      over[d] := COALESCE(retry > now_ms, false);
      IF over[d] AND shadows[s] THEN
        shadowed := shadowed | (1 << (d - 1));
      ELSIF over[d] AND (admitted OR retry > retry_ms) THEN
        admitted := false; refused := d; retry_ms := retry;
      ELSIF is_near AND most >= 5 THEN
        near := near | (1 << (d - 1));
      END IF;
    END LOOP;
    IF NOT admitted THEN
      retry_ms := retry_ms - now_ms;
      near := 0;
      RETURN NEXT;
      CONTINUE;
    END IF;
    -- Also where a limit that only reports would have refused: the repetition is free, and can be given back.
    IF holder IS NOT NULL THEN
      c := counters[holder];
      used := greatest(now_ms, c.commands_at[cardinality(c.commands_at)]);
      c.commands := (c.commands || commands[i])[greatest(cardinality(c.commands) - 62, 1):];
      c.commands_at := (c.commands_at || used)[greatest(cardinality(c.commands_at) - 62, 1):];
      c.expires_ms := greatest(c.expires_ms, used + repeats[i]);
      counters[holder] := c;
      dirty[holder] := true;
    END IF;
    FOR d IN 1 .. ${DIMENSIONS} LOOP
      s := (i - 1) * ${DIMENSIONS} + d;
      CONTINUE WHEN places[s] = 0 OR over[d];
      c := counters[places[s]];
      period := periods[s];
      each := ceil(period / limits[s] * 4096) / 4096;
      IF d = ${SUBJECTS} THEN
        n := array_position(c.members, members[i]);
        used := greatest(now_ms, c.seen[cardinality(c.seen)]);
        IF limits[s] > 64 AND NOT COALESCE(c.seen[n] > used - period, false) THEN
          c.members_tat := greatest(c.members_tat, now_ms) + each;
        END IF;
        IF n IS NOT NULL THEN
          c.members := c.members[:n - 1] || c.members[n + 1:];
          c.seen := c.seen[:n - 1] || c.seen[n + 1:];
        END IF;
        c.members := (c.members || members[i])[greatest(cardinality(c.members) - 62, 1):];
        c.seen := (c.seen || used)[greatest(cardinality(c.seen) - 62, 1):];
        c.expires_ms := greatest(c.expires_ms, used + period, c.members_tat);
      ELSE
        IF limits[s] > 64 THEN
          c.tat := greatest(c.tat, now_ms) + each;
          c.expires_ms := greatest(c.expires_ms, c.tat);
        END IF;
        IF limits[s] <= 64 OR d = ${CALLER} THEN
          used := greatest(now_ms, c.hits[cardinality(c.hits)]);
          c.hits := (c.hits || used)[greatest(cardinality(c.hits) - 62, 1):];
          c.expires_ms := greatest(c.expires_ms, used + period);
        END IF;
        IF d IN (4, 5) THEN
          IF limits[s] > 64 THEN
            used := greatest(c.tat - now_ms, 0);
            n := greatest(floor(bursts[s] - used / each), 0);
          ELSE
            SELECT limits[s] - count(*), max(h.at) + period - now_ms INTO n, used
              FROM unnest(c.hits) AS h(at) WHERE h.at > now_ms - period;
          END IF;
          IF d = 4 THEN agent_left := n; agent_reset := used; ELSE tenant_left := n; tenant_reset := used; END IF;
        END IF;
      END IF;
      counters[places[s]] := c;
      dirty[places[s]] := true;
    END LOOP;
    RETURN NEXT;
  END LOOP;
  UPDATE rate_limit.counters w
    SET (hits, commands, tat, members, seen, members_tat, expires_ms, commands_at)
      = (u.hits, u.commands, u.tat, u.members, u.seen, u.members_tat, u.expires_ms, u.commands_at)
    FROM ROWS FROM (unnest(counters), unnest(dirty))
      AS u(key, hits, commands, tat, members, seen, members_tat, expires_ms, commands_at, dirty)
    WHERE w.key = u.key AND u.dirty;
END $$`;

/**
 * Takes back what one command spent: our fault, not the caller's. Nothing is taken back twice, for the command is
 * forgotten with it. Whom the caller met stays known.
 */
const REFUND = `CREATE FUNCTION rate_limit.refund(
  keys uuid[], command bigint, places int[], limits int[], periods float8[]
) RETURNS boolean LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
  c rate_limit.counters;
  holder int := COALESCE(NULLIF(places[${CALLER}], 0), NULLIF(places[${CALL}], 0), NULLIF(places[${SUBJECT}], 0));
  at float8;
  n int;
BEGIN
  IF holder IS NULL THEN RETURN false; END IF;
  PERFORM 1 FROM rate_limit.counters w WHERE w.key = ANY (keys) ORDER BY w.key FOR UPDATE;
  SELECT * INTO c FROM rate_limit.counters w WHERE w.key = keys[holder];
  n := (array_positions(c.commands, command))[cardinality(array_positions(c.commands, command))];
  IF n IS NULL THEN RETURN false; END IF;
  at := c.commands_at[n];
  UPDATE rate_limit.counters w SET commands = c.commands[:n - 1] || c.commands[n + 1:],
    commands_at = c.commands_at[:n - 1] || c.commands_at[n + 1:] WHERE w.key = c.key;
  FOR d IN 1 .. 5 LOOP
    CONTINUE WHEN places[d] = 0;
    SELECT * INTO c FROM rate_limit.counters w WHERE w.key = keys[places[d]];
    n := array_position(c.hits, at);
    IF n IS NOT NULL THEN c.hits := c.hits[:n - 1] || c.hits[n + 1:]; END IF;
    -- Who was over a caller's limit that only reports has no hit there, and has spent nothing of the rate.
    IF limits[d] > 64 AND (n IS NOT NULL OR d <> ${CALLER}) THEN
      c.tat := greatest(c.tat - ceil(periods[d] / limits[d] * 4096) / 4096, 0);
    END IF;
    UPDATE rate_limit.counters w SET hits = c.hits, tat = c.tat WHERE w.key = c.key;
  END LOOP;
  RETURN true;
END $$`;

/** Counters of all limits, what an administrator has set apart from the policy, and the one decision over all of them. */
export class Limits1764000600001 extends Migration {
  override readonly statements = [
    // The limiter's memory is minutes long: a new table instead of the old one's rows. fillfactor leaves room to update
    // a row in its page, and no index but the key's is there, so that an update touches none.
    `CREATE TABLE rate_limit.counters (
      key uuid PRIMARY KEY,
      hits float8[] NOT NULL DEFAULT '{}',
      commands bigint[] NOT NULL DEFAULT '{}',
      tat float8 NOT NULL DEFAULT 0,
      members bigint[] NOT NULL DEFAULT '{}',
      seen float8[] NOT NULL DEFAULT '{}',
      members_tat float8 NOT NULL DEFAULT 0,
      expires_ms float8 NOT NULL DEFAULT 0,
      commands_at float8[] NOT NULL DEFAULT '{}'
    ) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000)`,
    DECIDE,
    REFUND,
    `CREATE TABLE rate_limit.overrides (
      tenant text NOT NULL,
      dimension text NOT NULL,
      target text NOT NULL,
      -- Of a target that is a keyed hash: the target under each key that its adapter held.
      key_ids text[] NOT NULL,
      targets text[] NOT NULL,
      quota integer NOT NULL CHECK (quota > 0),
      period_seconds integer NOT NULL CHECK (period_seconds > 0),
      reason_key text NOT NULL,
      expires_at timestamptz NOT NULL,
      PRIMARY KEY (tenant, dimension, target)
    )`,
    `CREATE TABLE rate_limit.stricter (tenant text PRIMARY KEY, until timestamptz NOT NULL)`,
    // Counts what an administrator has changed: a copy that sees another number reads it all again. Resets are counted
    // apart: only they make every copy clear what it holds in memory.
    `CREATE TABLE rate_limit.version (single boolean PRIMARY KEY DEFAULT true CHECK (single),
      number bigint NOT NULL, resets bigint NOT NULL DEFAULT 0)`,
    `INSERT INTO rate_limit.version (number) VALUES (1)`,
    `DROP TABLE rate_limit.windows`,
  ];
}
