/**
 * Subjects by their references, each with its credential of the method. One statement for both kinds of reference, and the
 * same work whether there is such a subject or not. $1 tenants, $2 kinds, $3 references, $4 methods
 */
export const FIND = `
SELECT r.place::int, f.*
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS r(tenant, kind, ref, method, place),
LATERAL (
  SELECT s.subject_id, s.version, s.profile_key_id, s.profile, k.key_id AS own_key_id, k.wrapped AS own_key,
    c.version AS credential_version, c.key_id AS credential_key_id, c.wrapped, c.must_change, c.cap
  FROM verification.subjects s
  LEFT JOIN verification.subject_keys k ON k.tenant = s.tenant AND k.subject_id = s.subject_id
  LEFT JOIN verification.credentials c ON c.tenant = s.tenant AND c.subject_id = s.subject_id AND c.kind = r.method
  WHERE s.tenant = r.tenant AND s.subject_id = CASE r.kind WHEN 'id' THEN r.ref ELSE
    (SELECT p.subject_id FROM verification.subject_phones p WHERE p.tenant = r.tenant AND p.phone_key = r.ref) END
  LIMIT 1) f`;

/**
 * A subject with its latest credentials of a kind, the one in force first; one row without a credential when there is
 * none. $1 tenant, $2 subject, $3 kind, $4 command, $5 how many credentials at most, $6 the
 * key of the counter
 */
export const ENROLLED = `
SELECT s.subject_id, s.version, s.profile_key_id, s.profile, k.key_id AS own_key_id, k.wrapped AS own_key,
  EXISTS (SELECT FROM verification.inbox i WHERE i.consumer = 'subject-commands' AND i.message_id = $4) AS repeated,
  EXISTS (SELECT FROM verification.guards g WHERE g.tenant = $1 AND g.guard_key = $6 AND g.disabled) AS disabled,
  c.version AS credential_version, c.key_id, c.wrapped, c.is_history
FROM verification.subjects s
LEFT JOIN verification.subject_keys k ON k.tenant = s.tenant AND k.subject_id = s.subject_id
LEFT JOIN LATERAL (
  SELECT version, key_id, wrapped, false AS is_history FROM verification.credentials
  WHERE tenant = s.tenant AND subject_id = s.subject_id AND kind = $3
  UNION ALL
  SELECT version, key_id, wrapped, bound FROM verification.credential_history
  WHERE tenant = s.tenant AND subject_id = s.subject_id AND kind = $3
  ORDER BY version DESC LIMIT $5
) c ON true
WHERE s.tenant = $1 AND s.subject_id = $2
ORDER BY c.version DESC`;

/**
 * Keeps a credential that is in force no more, and drops what is too old. A version that is there already was put back in
 * force by somebody else: the owner must get a new one all the same. $1 tenant, $2 subject, $3 kind, $4 kept, $5 version,
 * $6 key, $7 wrapped, $8 bound to the history
 */
export const KEEP_OLD = `
WITH kept AS (
  INSERT INTO verification.credential_history (tenant, subject_id, kind, version, key_id, wrapped, bound)
  VALUES ($1, $2, $3, $5, $6, $7, $8)
  ON CONFLICT DO NOTHING
)
DELETE FROM verification.credential_history
WHERE tenant = $1 AND subject_id = $2 AND kind = $3 AND version NOT IN (
  SELECT version FROM verification.credential_history
  WHERE tenant = $1 AND subject_id = $2 AND kind = $3
  ORDER BY version DESC LIMIT $4::int - 1)`;

/** $1 tenant, $2 subject, $3 kind, $4 version, $5 key, $6 wrapped, $7 must be changed, $8 cap */
export const STORE_CREDENTIAL = `
INSERT INTO verification.credentials (tenant, subject_id, kind, version, key_id, wrapped, must_change, cap)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (tenant, subject_id, kind) DO UPDATE
  SET version = EXCLUDED.version, key_id = EXCLUDED.key_id, wrapped = EXCLUDED.wrapped,
      must_change = EXCLUDED.must_change, cap = EXCLUDED.cap, enrolled_at = EXCLUDED.enrolled_at`;
