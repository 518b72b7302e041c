-- Removes the ids of erased subjects that attempts wrote before migration 19. In a transaction of its own, which locks only the
-- rows that it changes, in the order in which attempts lock them.
SELECT set_config('countersign.tenants', '*', true);
WITH erased AS MATERIALIZED (
  SELECT tenant, counter_key
  FROM verification.attempt_counters counter
  WHERE subject_id IS NOT NULL
    AND NOT EXISTS (
      SELECT
      FROM verification.subjects s
      WHERE s.tenant = counter.tenant AND s.subject_id = counter.subject_id
    )
  ORDER BY tenant, counter_key
  FOR UPDATE OF counter
)
UPDATE verification.attempt_counters counter
SET subject_id = NULL
FROM erased
WHERE counter.tenant = erased.tenant AND counter.counter_key = erased.counter_key;
