-- Removes the ids of erased subjects that attempts wrote before migration 19. In a transaction of its own, which locks only the
-- rows that it changes.
SELECT set_config('countersign.tenants', '*', true);
UPDATE verification.attempt_counters counter
SET subject_id = NULL
WHERE subject_id IS NOT NULL
  AND NOT EXISTS (
    SELECT
    FROM verification.subjects s
    WHERE s.tenant = counter.tenant AND s.subject_id = counter.subject_id
  );
