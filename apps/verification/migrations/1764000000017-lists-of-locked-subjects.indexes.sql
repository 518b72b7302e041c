-- Lists of locked and of disabled subjects begin at the counters that are locked or disabled, in the order of the ids.

-- An attempt without a lock, before it and after it, leaves these columns as they are, so it still changes no index. The end of the lock is the last
-- column: locks that have ended stay in the index until the next attempt, and are skipped without reading their rows.
CREATE INDEX CONCURRENTLY IF NOT EXISTS attempt_counters_locked ON verification.attempt_counters
  (tenant, subject_id COLLATE "C", GREATEST(locked_until, unrecognized_locked_until))
  WHERE subject_id IS NOT NULL AND GREATEST(locked_until, unrecognized_locked_until) IS NOT NULL;

CREATE INDEX CONCURRENTLY IF NOT EXISTS attempt_counters_disabled ON verification.attempt_counters (tenant, subject_id COLLATE "C")
  WHERE subject_id IS NOT NULL AND disabled;
