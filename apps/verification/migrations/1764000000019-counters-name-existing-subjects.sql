-- An attempt that is under way while its subject is erased writes the id of the subject into the counter, after the erasure has
-- removed it. So an id remains in a counter only if the subject exists and cannot be erased before the id is committed: the row of
-- the subject is locked until then, and an erasure that waits for it sees the counter.
-- A locked subject is skipped: waiting would reverse the order of locks, which is subjects before counters. The counter then gets
-- its subject from the next attempt, or from the pass of the service after its next start.
CREATE FUNCTION verification.keep_id_of_existing_subject() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM
  FROM verification.subjects
  WHERE tenant = NEW.tenant AND subject_id = NEW.subject_id
  FOR KEY SHARE SKIP LOCKED;
  IF NOT FOUND THEN
    UPDATE verification.attempt_counters
    SET subject_id = NULL
    WHERE tenant = NEW.tenant AND counter_key = NEW.counter_key;
  END IF;
  RETURN NULL;
END $$;

-- AFTER: a trigger before an insertion also runs for attempts at counters that exist. Neither runs for a counter that keeps its id.
CREATE TRIGGER attempt_counters_created AFTER INSERT ON verification.attempt_counters
  FOR EACH ROW WHEN (NEW.subject_id IS NOT NULL)
  EXECUTE FUNCTION verification.keep_id_of_existing_subject();

CREATE TRIGGER attempt_counters_named AFTER UPDATE OF subject_id ON verification.attempt_counters
  FOR EACH ROW WHEN (NEW.subject_id IS NOT NULL AND NEW.subject_id IS DISTINCT FROM OLD.subject_id)
  EXECUTE FUNCTION verification.keep_id_of_existing_subject();
