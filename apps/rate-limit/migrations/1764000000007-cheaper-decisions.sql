-- Makes `decide` cheaper: the same decisions, locks and parameters, because copies of the previous version call it too.
-- A third of its time for one request was planning. Most of the rest is PL/pgSQL, which prepares every expression that runs
-- again in each transaction, and copies a counter with its lists whenever it is read from an array or written to one. So
-- what runs for every request has few and short expressions, and a counter is copied only when another one is needed.
-- One statement that decides about all requests (with window functions) took longer, for one request and for 64.

-- How many of these ascending times are later than `since`.
CREATE FUNCTION rate_limit.count_since(times float8[], since float8) RETURNS int
LANGUAGE sql IMMUTABLE AS $$ SELECT cardinality(times) - width_bucket(since, times) $$;

-- Decides many requests as if they had arrived one after the other: locks all their counters, decides, and writes each
-- changed counter once. The time is read when all counters are locked.
CREATE OR REPLACE FUNCTION rate_limit.decide(
  -- Distinct and ascending. Every statement locks counters in this order, so none waits for another in a circle.
  counter_keys uuid[],
  -- One entry for each request.
  request_commands bigint[],
  request_members bigint[],
  -- How long ago the command may have been admitted to be repeated for free; 0: it never is.
  repeat_ms float8[],
  -- Six entries for each request, in the order of the dimensions below.
  -- The place of the counter in counter_keys; 0: the request has no such limit.
  counter_places int[],
  max_requests int[],
  periods_ms float8[],
  bursts int[],
  shadows boolean[],
  -- The place of the request.
  OUT place int,
  OUT admitted boolean,
  -- The refusing dimension with the longest wait; 0: none.
  OUT refused_by int,
  OUT retry_after_ms float8,
  -- Sets of dimensions: bit 0 is the first dimension.
  OUT shadow_refusals int,
  OUT near_limits int,
  OUT agent_remaining int,
  OUT agent_reset_ms float8,
  OUT tenant_remaining int,
  OUT tenant_reset_ms float8
) RETURNS SETOF record LANGUAGE plpgsql
-- Otherwise PostgreSQL plans the statements again for the lengths of the arrays, which takes longer than running them.
SET plan_cache_mode = force_generic_plan
-- A plan from the time when the table was small is kept, and must not scan the table when it is large.
SET enable_seqscan = off
AS $$
-- The dimensions are those of LIMIT_DIMENSIONS: 1 caller, 2 call, 3 subject, 4 agent, 5 tenant, 6 subjects per caller. They
-- are not constants, because the value of a constant is an expression too. Limits above 64 are rates.
DECLARE
  now_ms float8;
  -- In the order of counter_keys. Arrays of numbers are not copied, so the two numbers that nearly every request changes in
  -- each of its counters replace those inside the counters.
  counters rate_limit.counters[];
  versions tid[];
  tats float8[];
  expiries float8[];
  is_changed boolean[] := array_fill(false, ARRAY[cardinality(counter_keys)]);
  -- One of the counters, and its place. A changed one is written back before another one is read.
  counter rate_limit.counters;
  counter_at int := 1;

  -- Of one request: the place before its first check, and the counter that stores its command: that of the caller, else of
  -- the call, else of the subject.
  before int;
  command_counter int;
  -- The limits that refuse, also in shadow mode.
  over_limits int;
  latest_retry_at float8;

  -- Of one check.
  counter_place int;
  max_of_check int;
  period_ms float8;
  interval_ms float8;
  tat float8;
  quota int;
  times float8[];
  window_start float8;
  retry_at float8;
  used float8;
  near_count int;
  member_place int;
  is_live_member boolean;
  counted_at float8;
  remaining int;
  reset_ms float8;
BEGIN
  INSERT INTO rate_limit.counters AS existing (key)
    SELECT new.key FROM unnest(counter_keys) AS new (key)
    -- Locks an existing row and changes nothing.
    ON CONFLICT (key) DO UPDATE SET tat = existing.tat WHERE false;
  SELECT
      array_agg(locked ORDER BY locked.key),
      array_agg(locked.ctid ORDER BY locked.key),
      array_agg(locked.tat ORDER BY locked.key),
      array_agg(locked.expires_ms ORDER BY locked.key)
    INTO counters, versions, tats, expiries
    FROM rate_limit.counters locked
    WHERE locked.key = ANY (counter_keys);
  now_ms := extract(epoch FROM clock_timestamp()) * 1000;
  counter := counters[1];

  FOR request IN 1 .. cardinality(request_commands) LOOP
    before := (request - 1) * 6;
    place := request;
    admitted := true;
    refused_by := 0;
    retry_after_ms := NULL;
    shadow_refusals := 0;
    near_limits := 0;
    over_limits := 0;
    agent_remaining := NULL;
    agent_reset_ms := NULL;
    tenant_remaining := NULL;
    tenant_reset_ms := NULL;

    -- A repetition of an admitted command counts nothing.
    command_counter := CASE WHEN repeat_ms[request] > 0 THEN COALESCE(
      NULLIF(counter_places[before + 1], 0),
      NULLIF(counter_places[before + 2], 0),
      NULLIF(counter_places[before + 3], 0)
    ) END;
    IF command_counter <> counter_at THEN
      counter := counters[command_counter];
      counter_at := command_counter;
    END IF;
    IF command_counter > 0
      AND counter.commands_at[rate_limit.last_place(counter.commands, request_commands[request])] > now_ms - repeat_ms[request]
    THEN
      RETURN NEXT;
      CONTINUE;
    END IF;

    -- What each limit decides.
    FOR dimension IN 1 .. 6 LOOP
      counter_place := counter_places[before + dimension];
      CONTINUE WHEN counter_place = 0;
      max_of_check := max_requests[before + dimension];
      period_ms := periods_ms[before + dimension];
      IF max_of_check > 64 AND dimension < 6 THEN
        -- The rate is not in use, so it neither refuses nor is near.
        CONTINUE WHEN tats[counter_place] <= now_ms;
        tat := tats[counter_place];
      ELSE
        IF counter_at <> counter_place THEN
          counter := counters[counter_place];
          counter_at := counter_place;
        END IF;
        IF dimension < 6 THEN
          times := counter.admitted_at;
          window_start := now_ms - period_ms;
        ELSE
          times := counter.members_at;
          -- The window of members does not move back with the clock: members that had left it would be in it again.
          window_start := rate_limit.counted_at(times, now_ms) - period_ms;
          tat := counter.members_tat;
          member_place := array_position(counter.members, request_members[request]);
          is_live_member := COALESCE(times[member_place] > window_start, false);
          CONTINUE WHEN is_live_member;
        END IF;
      END IF;
      IF max_of_check > 64 THEN
        quota := bursts[before + dimension];
        interval_ms := rate_limit.emission_interval_ms(max_of_check, period_ms);
        tat := greatest(tat, now_ms);
        used := (tat - now_ms) / interval_ms;
        retry_at := tat + interval_ms - interval_ms * quota;
      ELSE
        quota := max_of_check;
        used := rate_limit.count_since(times, window_start);
        -- The limit is not in use, so it neither refuses nor is near.
        CONTINUE WHEN used = 0;
        -- The times ascend, so the one that came max_of_check entries earlier shows whether there is room.
        retry_at := CASE WHEN used >= quota THEN times[cardinality(times) + 1 - quota] + period_ms END;
      END IF;
      IF retry_at > now_ms THEN
        over_limits := over_limits | (1 << (dimension - 1));
        IF shadows[before + dimension] THEN
          shadow_refusals := shadow_refusals | (1 << (dimension - 1));
        ELSIF admitted OR retry_at > latest_retry_at THEN
          admitted := false;
          refused_by := dimension;
          latest_retry_at := retry_at;
        END IF;
      ELSIF quota >= 5 THEN
        -- Near at 80 %.
        near_count := ceil(0.8::float8 * quota);
        IF used < near_count AND used + 1 >= near_count THEN
          near_limits := near_limits | (1 << (dimension - 1));
        END IF;
      END IF;
    END LOOP;
    IF NOT admitted THEN
      retry_after_ms := latest_retry_at - now_ms;
      near_limits := 0;
      RETURN NEXT;
      CONTINUE;
    END IF;

    -- Also after a shadow refusal: the repetition is free, and a refund is possible.
    IF command_counter > 0 THEN
      IF counter_at <> command_counter THEN
        counter := counters[command_counter];
        counter_at := command_counter;
      END IF;
      counted_at := rate_limit.counted_at(counter.commands_at, now_ms);
      counter.commands := rate_limit.append_newest(counter.commands, request_commands[request]);
      counter.commands_at := rate_limit.append_newest(counter.commands_at, counted_at);
      expiries[command_counter] := greatest(expiries[command_counter], counted_at + repeat_ms[request]);
      is_changed[command_counter] := true;
    END IF;

    -- What the request uses of each limit, first of that of members, which is in the counter of the command.
    counter_place := counter_places[before + 6];
    IF counter_place > 0 AND over_limits < 32 THEN
      IF counter_at <> counter_place THEN
        counters[counter_at] := counter;
        counter := counters[counter_place];
        counter_at := counter_place;
      END IF;
      -- The variables are those of the last check, which was of this limit.
      IF max_of_check > 64 AND NOT is_live_member THEN
        counter.members_tat := greatest(counter.members_tat, now_ms) + interval_ms;
      END IF;
      counted_at := rate_limit.counted_at(counter.members_at, now_ms);
      IF member_place IS NOT NULL THEN
        counter.members := rate_limit.remove_at(counter.members, member_place);
        counter.members_at := rate_limit.remove_at(counter.members_at, member_place);
      END IF;
      counter.members := rate_limit.append_newest(counter.members, request_members[request]);
      counter.members_at := rate_limit.append_newest(counter.members_at, counted_at);
      expiries[counter_place] := greatest(
        expiries[counter_place],
        counted_at + period_ms,
        counter.members_tat
      );
      is_changed[counter_place] := true;
    END IF;
    FOR dimension IN 1 .. 5 LOOP
      counter_place := counter_places[before + dimension];
      CONTINUE WHEN counter_place = 0;
      CONTINUE WHEN over_limits > 0 AND over_limits & (1 << (dimension - 1)) > 0;
      max_of_check := max_requests[before + dimension];
      period_ms := periods_ms[before + dimension];
      is_changed[counter_place] := true;
      IF max_of_check > 64 THEN
        interval_ms := rate_limit.emission_interval_ms(max_of_check, period_ms);
        tat := greatest(tats[counter_place], now_ms) + interval_ms;
        tats[counter_place] := tat;
        expiries[counter_place] := greatest(expiries[counter_place], tat);
      END IF;
      -- Callers always have the list: a refund finds in it whether a request over a shadow limit was counted.
      IF max_of_check <= 64 OR dimension = 1 THEN
        IF counter_at <> counter_place THEN
          counters[counter_at] := counter;
          counter := counters[counter_place];
          counter_at := counter_place;
        END IF;
        counted_at := rate_limit.counted_at(counter.admitted_at, now_ms);
        counter.admitted_at := rate_limit.append_newest(counter.admitted_at, counted_at);
        expiries[counter_place] := greatest(expiries[counter_place], counted_at + period_ms);
      END IF;
      CONTINUE WHEN dimension < 4;
      IF max_of_check > 64 THEN
        reset_ms := tat - now_ms;
        remaining := greatest(floor(bursts[before + dimension] - reset_ms / interval_ms), 0);
      ELSE
        reset_ms := counted_at + period_ms - now_ms;
        remaining := max_of_check - rate_limit.count_since(counter.admitted_at, now_ms - period_ms);
      END IF;
      IF dimension = 4 THEN
        agent_remaining := remaining;
        agent_reset_ms := reset_ms;
      ELSE
        tenant_remaining := remaining;
        tenant_reset_ms := reset_ms;
      END IF;
    END LOOP;
    counters[counter_at] := counter;
    RETURN NEXT;
  END LOOP;

  UPDATE rate_limit.counters stored
    SET
      admitted_at = decided.admitted_at,
      tat = decided.tat,
      commands = decided.commands,
      commands_at = decided.commands_at,
      members = decided.members,
      members_at = decided.members_at,
      members_tat = decided.members_tat,
      expires_ms = decided.expires_ms
    FROM ROWS FROM (unnest(counters), unnest(versions), unnest(tats), unnest(expiries), unnest(is_changed)) AS decided (
      key,
      admitted_at,
      previous_tat,
      commands,
      commands_at,
      members,
      members_at,
      members_tat,
      previous_expires_ms,
      version,
      tat,
      expires_ms,
      is_changed
    )
    -- Only this transaction can change the rows that it locked, so each is where it was read.
    WHERE stored.ctid = decided.version AND decided.is_changed;
END $$;
