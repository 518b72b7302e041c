/**
 * Finds the keys of subjects, and creates those that are missing and have a candidate. A subject that was erased at the time of
 * its event or later gets none. A row that a concurrent statement has just written is not returned: run it again. The keys are
 * read by subqueries, because a join would be planned as a scan of all keys when a connection prepares the statement on a small
 * table, and would keep that plan.
 * $1 tenants, $2 subjects, $3 times, $4 to $6 candidates: own_id, key_id, wrapped; null for none
 */
export const FIND_OR_CREATE_KEYS = `
WITH wanted AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::bytea[])
    AS w (tenant, subject, time, own_id, key_id, wrapped)
), created AS (
  INSERT INTO audit.subject_keys AS k (tenant, subject, own_id, key_id, wrapped, created_at)
  SELECT tenant, subject, own_id, key_id, wrapped, time
  FROM wanted w
  WHERE w.wrapped IS NOT NULL AND NOT COALESCE(
    (
      SELECT k.wrapped IS NOT NULL OR k.erased_at >= w.time
      FROM audit.subject_keys k
      WHERE k.tenant = w.tenant AND k.subject = w.subject
    ),
    false
  )
  ORDER BY tenant, subject
  ON CONFLICT (tenant, subject) DO UPDATE
    SET
      own_id = EXCLUDED.own_id,
      key_id = EXCLUDED.key_id,
      wrapped = EXCLUDED.wrapped,
      created_at = EXCLUDED.created_at
    WHERE k.wrapped IS NULL AND (k.erased_at IS NULL OR k.erased_at < EXCLUDED.created_at)
  RETURNING tenant, subject, own_id, key_id, wrapped, erased_at
)
SELECT * FROM created
UNION ALL
SELECT k.*
FROM wanted w, LATERAL (
  SELECT k.tenant, k.subject, k.own_id, k.key_id, k.wrapped, k.erased_at
  FROM audit.subject_keys k
  WHERE k.tenant = w.tenant AND k.subject = w.subject
  OFFSET 0
) k
WHERE NOT EXISTS (SELECT FROM created c WHERE c.tenant = k.tenant AND c.subject = k.subject)`;

/** By subqueries, as {@link FIND_OR_CREATE_KEYS}. $1 tenants, $2 subjects */
export const FIND_KEYS = `
SELECT k.*
FROM unnest($1::text[], $2::text[]) AS w (tenant, subject), LATERAL (
  SELECT k.tenant, k.subject, k.own_id, k.key_id, k.wrapped, k.erased_at
  FROM audit.subject_keys k
  WHERE k.tenant = w.tenant AND k.subject = w.subject
  OFFSET 0
) k`;

/** Destroys keys. An erasure that was stored before changes nothing. $1 tenants, $2 subjects, $3 times; each subject once */
export const DESTROY_KEYS = `
INSERT INTO audit.subject_keys AS k (tenant, subject, erased_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS e (tenant, subject, time)
ORDER BY tenant, subject
ON CONFLICT (tenant, subject) DO UPDATE
  SET
    own_id = NULL,
    key_id = NULL,
    wrapped = NULL,
    created_at = NULL,
    erased_at = EXCLUDED.erased_at
  WHERE k.erased_at IS NULL OR k.erased_at < EXCLUDED.erased_at`;

/** Removes a key that was altered outside the product, so the next event of its subject creates another one. $1 tenant, $2 subject, $3 own_id */
export const REMOVE_ALTERED_KEY = `
UPDATE audit.subject_keys
SET own_id = NULL, key_id = NULL, wrapped = NULL, created_at = NULL
WHERE tenant = $1 AND subject = $2 AND own_id = $3`;
