import { microseconds } from '@countersign/stored-secrets';

/** The highest version that a part of the subject `s` ever had. */
export const latestVersion = (part: string): string => `
    (SELECT max(v.version) FROM verification.versions v
     WHERE v.tenant = s.tenant AND v.subject_id = s.subject_id AND v.part = ${part})`;

/**
 * Subjects by their references, each with its credential of the method, and with the versions that should be in force. One
 * statement for both kinds of reference. $1 tenants, $2 kinds, $3 references, $4 methods
 */
export const FIND = `
SELECT r.place::int, f.*
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS r(tenant, kind, ref, method, place),
LATERAL (
  SELECT s.subject_id, s.incarnation, s.version, s.profile_key_id, s.profile, k.key_id AS own_key_id, k.wrapped AS own_key,
    c.version AS credential_version, c.key_id AS credential_key_id, c.wrapped, c.must_change, c.cap,
    ${microseconds('c.enrolled_at')} AS enrolled_us,
    ${latestVersion(`'profile'`)} AS latest_version, ${latestVersion('r.method')} AS latest_credential,
    (SELECT p.tag FROM verification.subject_phones p
     WHERE r.kind = 'phone' AND p.tenant = r.tenant AND p.phone_key = r.ref) AS phone_tag
  FROM verification.subjects s
  LEFT JOIN verification.subject_keys k ON k.tenant = s.tenant AND k.subject_id = s.subject_id
  LEFT JOIN verification.credentials c ON c.tenant = s.tenant AND c.subject_id = s.subject_id AND c.kind = r.method
  WHERE s.tenant = r.tenant AND s.subject_id = CASE r.kind WHEN 'id' THEN r.ref ELSE
    (SELECT p.subject_id FROM verification.subject_phones p WHERE p.tenant = r.tenant AND p.phone_key = r.ref) END
  LIMIT 1) f`;

/** A subject with its credential of a kind. $1 tenant, $2 subject, $3 kind, $4 command, $5 the key of the counter */
export const ENROLLED = `
SELECT s.subject_id, s.incarnation, s.version, s.profile_key_id, s.profile, k.key_id AS own_key_id, k.wrapped AS own_key,
  EXISTS (SELECT FROM verification.inbox i WHERE i.consumer = 'subject-commands' AND i.message_id = $4) AS repeated,
  EXISTS (SELECT FROM verification.attempt_counters g WHERE g.tenant = $1 AND g.counter_key = $5 AND g.disabled) AS disabled,
  c.version AS credential_version, c.key_id AS credential_key_id, c.wrapped, c.must_change, c.cap,
  ${microseconds('c.enrolled_at')} AS enrolled_us,
  ${latestVersion(`'profile'`)} AS latest_version, ${latestVersion('$3')} AS latest_credential
FROM verification.subjects s
LEFT JOIN verification.subject_keys k ON k.tenant = s.tenant AND k.subject_id = s.subject_id
LEFT JOIN verification.credentials c ON c.tenant = s.tenant AND c.subject_id = s.subject_id AND c.kind = $3
WHERE s.tenant = $1 AND s.subject_id = $2`;

/** A subject, locked. $1 tenant, $2 subject */
export const LOCK_SUBJECT = `
SELECT s.subject_id, s.incarnation, s.version, s.profile_key_id, s.profile, k.key_id AS own_key_id, k.wrapped AS own_key
FROM verification.subjects s LEFT JOIN verification.subject_keys k USING (tenant, subject_id)
WHERE s.tenant = $1 AND s.subject_id = $2 FOR UPDATE OF s`;

/** The highest version that a part of a subject ever had; null: none. $1 tenant, $2 subject, $3 part */
export const LATEST_VERSION = `
SELECT max(version) AS version FROM verification.versions WHERE tenant = $1 AND subject_id = $2 AND part = $3`;

/**
 * Takes the next version of a part of a subject, which no row had before. The subject's row must be locked, or nobody else
 * may be making it. $1 tenant, $2 subject, $3 part
 */
export const NEXT_VERSION = `
INSERT INTO verification.versions (tenant, subject_id, part, version)
SELECT $1, $2, $3, COALESCE(max(version), 0) + 1 FROM verification.versions
WHERE tenant = $1 AND subject_id = $2 AND part = $3
RETURNING version, ${microseconds('written_at')} AS written_us`;

/** Takes the next version of each part that a subject has: no row that it ever had is in force again. $1 tenant, $2 subject */
export const END_VERSIONS = `
INSERT INTO verification.versions (tenant, subject_id, part, version)
SELECT tenant, subject_id, part, max(version) + 1 FROM verification.versions
WHERE tenant = $1 AND subject_id = $2 GROUP BY tenant, subject_id, part`;

/**
 * $1 tenant, $2 subject, $3 kind, $4 version, $5 key, $6 wrapped, $7 must be changed, $8 cap, $9 time of the enrolment in
 * microseconds
 */
export const STORE_CREDENTIAL = `
INSERT INTO verification.credentials
  (tenant, subject_id, kind, version, key_id, wrapped, must_change, cap, enrolled_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'epoch'::timestamptz + $9::bigint * interval '1 microsecond')
ON CONFLICT (tenant, subject_id, kind) DO UPDATE
  SET version = EXCLUDED.version, key_id = EXCLUDED.key_id, wrapped = EXCLUDED.wrapped,
      must_change = EXCLUDED.must_change, cap = EXCLUDED.cap, enrolled_at = EXCLUDED.enrolled_at`;
