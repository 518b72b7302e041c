-- The decision about requests, and the refund. `decide` equals the function decideLimits of src/limits/limit.decision.ts;
-- the contract suite of the store holds both to the same decisions.

-- The list with one more entry, without the oldest entry if there were 64.
CREATE FUNCTION rate_limit.append_newest(list anycompatiblearray, entry anycompatible) RETURNS anycompatiblearray
LANGUAGE sql IMMUTABLE AS $$ SELECT (list || entry)[greatest(cardinality(list) - 62, 1):] $$;

-- The list without the entry at this place.
CREATE FUNCTION rate_limit.remove_at(list anycompatiblearray, place int) RETURNS anycompatiblearray
LANGUAGE sql IMMUTABLE AS $$ SELECT list[:place - 1] || list[place + 1:] $$;

-- The place of the last entry of this value; NULL: there is none.
CREATE FUNCTION rate_limit.last_place(list bigint[], entry bigint) RETURNS int
LANGUAGE sql IMMUTABLE AS $$ SELECT (array_positions(list, entry))[cardinality(array_positions(list, entry))] $$;

-- The time at which a request counts: never before the newest entry, even if the clock moved back.
CREATE FUNCTION rate_limit.counted_at(times float8[], now_ms float8) RETURNS float8
LANGUAGE sql IMMUTABLE AS $$ SELECT greatest(now_ms, times[cardinality(times)]) $$;

-- Milliseconds between two requests of a steady rate, rounded up to 1/4096 ms: sums of such parts are exact in float8.
CREATE FUNCTION rate_limit.emission_interval_ms(max_requests int, period_ms float8) RETURNS float8
LANGUAGE sql IMMUTABLE AS $$ SELECT ceil(period_ms / max_requests * 4096) / 4096 $$;

-- Decides many requests as if they had arrived one after the other: locks all their counters, decides, and writes each
-- changed counter once. The time is read when all counters are locked.
CREATE FUNCTION rate_limit.decide(
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
) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
  -- LIMIT_DIMENSIONS of the contracts.
  caller CONSTANT int := 1;
  call CONSTANT int := 2;
  subject CONSTANT int := 3;
  agent CONSTANT int := 4;
  tenant CONSTANT int := 5;
  subjects_per_caller CONSTANT int := 6;
  dimensions CONSTANT int := 6;
  -- Larger limits are rates.
  exact_limit CONSTANT int := 64;
  -- A limit is reported as near at this share, if it is at least near_from.
  near_share CONSTANT float8 := 0.8;
  near_from CONSTANT int := 5;

  now_ms float8;
  -- In the order of counter_keys.
  counters rate_limit.counters[];
  is_changed boolean[] := array_fill(false, ARRAY[cardinality(counter_keys)]);
  counter rate_limit.counters;
  -- The place of the counter that stores the command: that of the caller, else of the call, else of the subject.
  command_counter int;
  command_place int;
  -- By dimension: whether the limit refuses, also in shadow mode.
  is_over boolean[] := array_fill(false, ARRAY[dimensions]);

  -- Of one check.
  check_place int;
  max_of_check int;
  period_ms float8;
  interval_ms float8;
  window_start float8;
  retry_at float8;
  latest_retry_at float8;
  is_near boolean;
  near_count int;
  arrival float8;
  used float8;
  admissions float8[];
  next_admission int;
  member_place int;
  counted_at float8;
  remaining int;
  reset_ms float8;
BEGIN
  INSERT INTO rate_limit.counters AS existing (key)
    SELECT new.key FROM unnest(counter_keys) AS new (key)
    -- Locks an existing row and changes nothing.
    ON CONFLICT (key) DO UPDATE SET tat = existing.tat WHERE false;
  SELECT array_agg(locked ORDER BY locked.key) INTO counters
    FROM rate_limit.counters locked
    WHERE locked.key = ANY (counter_keys);
  now_ms := extract(epoch FROM clock_timestamp()) * 1000;

  FOR request IN 1 .. cardinality(request_commands) LOOP
    place := request;
    admitted := true;
    refused_by := 0;
    retry_after_ms := NULL;
    shadow_refusals := 0;
    near_limits := 0;
    agent_remaining := NULL;
    agent_reset_ms := NULL;
    tenant_remaining := NULL;
    tenant_reset_ms := NULL;

    -- A repetition of an admitted command counts nothing.
    check_place := (request - 1) * dimensions;
    command_counter := CASE WHEN repeat_ms[request] > 0 THEN COALESCE(
      NULLIF(counter_places[check_place + caller], 0),
      NULLIF(counter_places[check_place + call], 0),
      NULLIF(counter_places[check_place + subject], 0)
    ) END;
    counter := counters[command_counter];
    command_place := rate_limit.last_place(counter.commands, request_commands[request]);
    IF counter.commands_at[command_place] > now_ms - repeat_ms[request] THEN
      RETURN NEXT;
      CONTINUE;
    END IF;

    -- What each limit decides.
    FOR dimension IN 1 .. dimensions LOOP
      check_place := (request - 1) * dimensions + dimension;
      CONTINUE WHEN counter_places[check_place] = 0;
      counter := counters[counter_places[check_place]];
      max_of_check := max_requests[check_place];
      period_ms := periods_ms[check_place];
      -- The window of members does not move back with the clock: members that had left it would be in it again.
      window_start := CASE WHEN dimension = subjects_per_caller
        THEN rate_limit.counted_at(counter.members_at, now_ms) ELSE now_ms END - period_ms;
      IF dimension = subjects_per_caller
        AND counter.members_at[array_position(counter.members, request_members[request])] > window_start
      THEN
        retry_at := NULL;
        is_near := false;
      ELSIF max_of_check > exact_limit THEN
        max_of_check := bursts[check_place];
        near_count := ceil(near_share * max_of_check);
        interval_ms := rate_limit.emission_interval_ms(max_requests[check_place], period_ms);
        arrival := greatest(
          CASE WHEN dimension = subjects_per_caller THEN counter.members_tat ELSE counter.tat END,
          now_ms
        );
        retry_at := arrival + interval_ms - interval_ms * max_of_check;
        used := (arrival - now_ms) / interval_ms;
        is_near := used < near_count AND used + 1 >= near_count;
      ELSE
        near_count := ceil(near_share * max_of_check);
        admissions := CASE WHEN dimension = subjects_per_caller THEN counter.members_at ELSE counter.admitted_at END;
        next_admission := cardinality(admissions) + 1;
        -- The times ascend, so the one that came max_of_check entries earlier shows whether there is room.
        retry_at := admissions[next_admission - max_of_check];
        retry_at := CASE WHEN retry_at > window_start THEN retry_at + period_ms END;
        is_near := admissions[next_admission + 1 - near_count] > window_start
          AND NOT COALESCE(admissions[next_admission - near_count] > window_start, false);
      END IF;
      is_over[dimension] := COALESCE(retry_at > now_ms, false);
      IF is_over[dimension] AND shadows[check_place] THEN
        shadow_refusals := shadow_refusals | (1 << (dimension - 1));
      ELSIF is_over[dimension] AND (admitted OR retry_at > latest_retry_at) THEN
        admitted := false;
        refused_by := dimension;
        latest_retry_at := retry_at;
      ELSIF is_near AND max_of_check >= near_from THEN
        near_limits := near_limits | (1 << (dimension - 1));
      END IF;
    END LOOP;
    IF NOT admitted THEN
      retry_after_ms := latest_retry_at - now_ms;
      near_limits := 0;
      RETURN NEXT;
      CONTINUE;
    END IF;

    -- Also after a shadow refusal: the repetition is free, and a refund is possible.
    IF command_counter IS NOT NULL THEN
      counter := counters[command_counter];
      counted_at := rate_limit.counted_at(counter.commands_at, now_ms);
      counter.commands := rate_limit.append_newest(counter.commands, request_commands[request]);
      counter.commands_at := rate_limit.append_newest(counter.commands_at, counted_at);
      counter.expires_ms := greatest(counter.expires_ms, counted_at + repeat_ms[request]);
      counters[command_counter] := counter;
      is_changed[command_counter] := true;
    END IF;

    -- What the request uses of each limit.
    FOR dimension IN 1 .. dimensions LOOP
      check_place := (request - 1) * dimensions + dimension;
      CONTINUE WHEN counter_places[check_place] = 0 OR is_over[dimension];
      counter := counters[counter_places[check_place]];
      max_of_check := max_requests[check_place];
      period_ms := periods_ms[check_place];
      interval_ms := rate_limit.emission_interval_ms(max_of_check, period_ms);
      IF dimension = subjects_per_caller THEN
        counted_at := rate_limit.counted_at(counter.members_at, now_ms);
        member_place := array_position(counter.members, request_members[request]);
        IF max_of_check > exact_limit AND NOT COALESCE(counter.members_at[member_place] > counted_at - period_ms, false) THEN
          counter.members_tat := greatest(counter.members_tat, now_ms) + interval_ms;
        END IF;
        IF member_place IS NOT NULL THEN
          counter.members := rate_limit.remove_at(counter.members, member_place);
          counter.members_at := rate_limit.remove_at(counter.members_at, member_place);
        END IF;
        counter.members := rate_limit.append_newest(counter.members, request_members[request]);
        counter.members_at := rate_limit.append_newest(counter.members_at, counted_at);
        counter.expires_ms := greatest(counter.expires_ms, counted_at + period_ms, counter.members_tat);
      ELSE
        IF max_of_check > exact_limit THEN
          counter.tat := greatest(counter.tat, now_ms) + interval_ms;
          counter.expires_ms := greatest(counter.expires_ms, counter.tat);
        END IF;
        -- Callers always have the list: a refund finds in it whether a request over a shadow limit was counted.
        IF max_of_check <= exact_limit OR dimension = caller THEN
          counted_at := rate_limit.counted_at(counter.admitted_at, now_ms);
          counter.admitted_at := rate_limit.append_newest(counter.admitted_at, counted_at);
          counter.expires_ms := greatest(counter.expires_ms, counted_at + period_ms);
        END IF;
        IF dimension IN (agent, tenant) THEN
          IF max_of_check > exact_limit THEN
            reset_ms := greatest(counter.tat - now_ms, 0);
            remaining := greatest(floor(bursts[check_place] - reset_ms / interval_ms), 0);
          ELSE
            SELECT max_of_check - count(*), max(live.at) + period_ms - now_ms INTO remaining, reset_ms
              FROM unnest(counter.admitted_at) AS live (at)
              WHERE live.at > now_ms - period_ms;
          END IF;
          IF dimension = agent THEN
            agent_remaining := remaining;
            agent_reset_ms := reset_ms;
          ELSE
            tenant_remaining := remaining;
            tenant_reset_ms := reset_ms;
          END IF;
        END IF;
      END IF;
      counters[counter_places[check_place]] := counter;
      is_changed[counter_places[check_place]] := true;
    END LOOP;
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
    FROM ROWS FROM (unnest(counters), unnest(is_changed)) AS decided (
      key,
      admitted_at,
      tat,
      commands,
      commands_at,
      members,
      members_at,
      members_tat,
      expires_ms,
      is_changed
    )
    WHERE stored.key = decided.key AND decided.is_changed;
END $$;

-- Takes back what an admitted command used, after a fault of the product. The command is removed too, so nothing is taken
-- back twice. The subject stays admitted for its caller.
CREATE FUNCTION rate_limit.refund(
  -- As in decide, for one request.
  counter_keys uuid[],
  request_command bigint,
  counter_places int[],
  max_requests int[],
  periods_ms float8[]
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  caller CONSTANT int := 1;
  call CONSTANT int := 2;
  subject CONSTANT int := 3;
  tenant CONSTANT int := 5;
  exact_limit CONSTANT int := 64;

  counter rate_limit.counters;
  command_counter int := COALESCE(
    NULLIF(counter_places[caller], 0),
    NULLIF(counter_places[call], 0),
    NULLIF(counter_places[subject], 0)
  );
  command_place int;
  counted_at float8;
  admission_place int;
BEGIN
  IF command_counter IS NULL THEN
    RETURN false;
  END IF;
  PERFORM FROM rate_limit.counters locked
    WHERE locked.key = ANY (counter_keys)
    ORDER BY locked.key
    FOR UPDATE;
  SELECT stored.* INTO counter
    FROM rate_limit.counters stored
    WHERE stored.key = counter_keys[command_counter];
  command_place := rate_limit.last_place(counter.commands, request_command);
  IF command_place IS NULL THEN
    RETURN false;
  END IF;
  counted_at := counter.commands_at[command_place];
  UPDATE rate_limit.counters stored
    SET
      commands = rate_limit.remove_at(counter.commands, command_place),
      commands_at = rate_limit.remove_at(counter.commands_at, command_place)
    WHERE stored.key = counter.key;

  FOR dimension IN caller .. tenant LOOP
    CONTINUE WHEN counter_places[dimension] = 0;
    SELECT stored.* INTO counter
      FROM rate_limit.counters stored
      WHERE stored.key = counter_keys[counter_places[dimension]];
    admission_place := array_position(counter.admitted_at, counted_at);
    IF admission_place IS NOT NULL THEN
      counter.admitted_at := rate_limit.remove_at(counter.admitted_at, admission_place);
    END IF;
    -- A request over a shadow limit of its caller has no entry in the list, and used nothing of the rate.
    IF max_requests[dimension] > exact_limit AND (admission_place IS NOT NULL OR dimension <> caller) THEN
      counter.tat := greatest(
        counter.tat - rate_limit.emission_interval_ms(max_requests[dimension], periods_ms[dimension]),
        0
      );
    END IF;
    UPDATE rate_limit.counters stored
      SET
        admitted_at = counter.admitted_at,
        tat = counter.tat
      WHERE stored.key = counter.key;
  END LOOP;
  RETURN true;
END $$;
