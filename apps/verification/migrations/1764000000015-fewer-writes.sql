-- A verification writes fewer rows and pages: the reply is a part of the outcome, so a command is written once and not locked;
-- and a success of a recognized caller needs no counter adjustment.

-- What the ledger does not state of the reply, as JSON; null: nothing. Written with the outcome. The tag covers the whole reply.
ALTER TABLE verification.attempts
  ADD COLUMN reply text,
  ADD COLUMN reply_tag bytea;
-- The outcome is written soon after the attempt, and needs room in the page of its row: then it changes no index.
ALTER TABLE verification.attempts SET (fillfactor = 60);

-- Only commands of the previous version have a reply here.
ALTER TABLE verification.commands SET (fillfactor = 100);

-- AFTER instead of BEFORE, because a trigger BEFORE an update locks the row first, which is another record of the log. The columns
-- of the decision are now bound too: the state after a success depends on them.
DROP TRIGGER attempts_decided_once ON verification.attempts;
CREATE TRIGGER attempts_decided_once AFTER UPDATE ON verification.attempts
  FOR EACH ROW WHEN (
    (OLD.attempt_id, OLD.command_id, OLD.tenant, OLD.agent, OLD.counter_key, OLD.subject_id, OLD.number, OLD.granted,
     OLD.counted_at, OLD.state_after, OLD.unrecognized, OLD.charged_disable)
    IS DISTINCT FROM
    (NEW.attempt_id, NEW.command_id, NEW.tenant, NEW.agent, NEW.counter_key, NEW.subject_id, NEW.number, NEW.granted,
     NEW.counted_at, NEW.state_after, NEW.unrecognized, NEW.charged_disable)
    OR OLD.outcome IS NOT NULL AND (OLD.outcome, OLD.decided_at, OLD.reply, OLD.reply_tag)
      IS DISTINCT FROM (NEW.outcome, NEW.decided_at, NEW.reply, NEW.reply_tag)
  )
  EXECUTE FUNCTION verification.refuse_change();

-- The counter after an attempt with its outcome, if nothing else changed it since: `applyOutcome` of
-- `attempt-counter.decision.ts`, without the recognized callers.
CREATE FUNCTION verification.state_after_outcome(attempt verification.attempts) RETURNS verification.counter_state
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    WHEN attempt.outcome = 'verified' AND attempt.state_after IS DISTINCT FROM NULL THEN ROW(
      '{}'::timestamptz[],
      0,
      NULL,
      CASE WHEN attempt.unrecognized THEN '{}' ELSE (attempt.state_after).unrecognized_attempts END,
      CASE WHEN attempt.unrecognized THEN 0 ELSE (attempt.state_after).unrecognized_lock_level END,
      CASE WHEN attempt.unrecognized THEN NULL ELSE (attempt.state_after).unrecognized_locked_until END,
      0,
      0,
      (attempt.state_after).disabled AND NOT attempt.charged_disable
    )::verification.counter_state
    ELSE attempt.state_after
  END
$$;

-- Whether a counter agrees with its ledger: it is as the outcome of its latest attempt, or a later adjustment, left it. PL/pgSQL
-- and VOLATILE, so that its query gets a new snapshot, as in agrees_with_ledger.
CREATE FUNCTION verification.matches_ledger(counter verification.attempt_counters) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  agrees boolean;
BEGIN
  SELECT
    attempt.counted_at = counter.last_attempt_at
      AND COALESCE(adjustment.recognized_callers, '{}') = counter.recognized_callers
      AND verification.counter_state_of(counter) IS NOT DISTINCT FROM CASE
        WHEN adjustment.number = attempt.number THEN adjustment.state_after
        ELSE verification.state_after_outcome(attempt)
      END
  INTO agrees
  FROM verification.attempts attempt
  LEFT JOIN verification.counter_adjustments adjustment
    ON adjustment.tenant = counter.tenant AND adjustment.counter_key = counter.counter_key
  WHERE attempt.tenant = counter.tenant
    AND attempt.counter_key = counter.counter_key
    AND attempt.number = counter.attempt_count;
  RETURN COALESCE(agrees, false);
END $$;

-- For copies of the previous version during a roll-out: they write an adjustment for each success, and also compare the state
-- before it after they wrote its outcome.
CREATE OR REPLACE FUNCTION verification.agrees_with_ledger(counter verification.attempt_counters) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  agrees boolean;
BEGIN
  SELECT
    attempt.counted_at = counter.last_attempt_at
      AND COALESCE(adjustment.recognized_callers, '{}') = counter.recognized_callers
      AND CASE
        WHEN adjustment.number = attempt.number
          THEN verification.counter_state_of(counter) IS NOT DISTINCT FROM adjustment.state_after
        ELSE verification.counter_state_of(counter) IS NOT DISTINCT FROM attempt.state_after
          OR verification.counter_state_of(counter) IS NOT DISTINCT FROM verification.state_after_outcome(attempt)
      END
  INTO agrees
  FROM verification.attempts attempt
  LEFT JOIN verification.counter_adjustments adjustment
    ON adjustment.tenant = counter.tenant AND adjustment.counter_key = counter.counter_key
  WHERE attempt.tenant = counter.tenant
    AND attempt.counter_key = counter.counter_key
    AND attempt.number = counter.attempt_count;
  RETURN COALESCE(agrees, false);
END $$;

-- Whether the change of a counter by a success must be stored as an adjustment: the ledger does not state it, and the counter
-- agreed with the ledger before. The ledger row of the decided attempt has its outcome already, so its state before is compared.
-- New snapshots, as in matches_ledger: an adjustment that was committed while the statement waited for the counter overrides
-- the ledger.
CREATE FUNCTION verification.success_needs_adjustment(
  counter_before verification.attempt_counters,
  callers_after text[],
  decided_number bigint
) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  agreed boolean;
BEGIN
  IF counter_before.attempt_count = decided_number
    AND counter_before.recognized_callers = callers_after
    AND NOT EXISTS (
      SELECT
      FROM verification.counter_adjustments adjustment
      WHERE adjustment.tenant = counter_before.tenant
        AND adjustment.counter_key = counter_before.counter_key
        AND adjustment.number = decided_number
    )
  THEN
    RETURN false;
  END IF;
  SELECT
    attempt.counted_at = counter_before.last_attempt_at
      AND COALESCE(adjustment.recognized_callers, '{}') = counter_before.recognized_callers
      AND verification.counter_state_of(counter_before) IS NOT DISTINCT FROM CASE
        WHEN adjustment.number = attempt.number THEN adjustment.state_after
        WHEN attempt.number = decided_number THEN attempt.state_after
        ELSE verification.state_after_outcome(attempt)
      END
  INTO agreed
  FROM verification.attempts attempt
  LEFT JOIN verification.counter_adjustments adjustment
    ON adjustment.tenant = counter_before.tenant AND adjustment.counter_key = counter_before.counter_key
  WHERE attempt.tenant = counter_before.tenant
    AND attempt.counter_key = counter_before.counter_key
    AND attempt.number = counter_before.attempt_count;
  RETURN COALESCE(agreed, false);
END $$;
