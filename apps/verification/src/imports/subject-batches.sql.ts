import { microseconds } from '@countersign/stored-secrets';
import { JOIN_SUBJECT_KEY, latestVersion, PROFILE_COLUMNS } from '../subjects/subject.sql.js';

/** $1 tenant, $2 subjects */
export const FIND_PROFILES = `
SELECT${PROFILE_COLUMNS},
  ${latestVersion(`'profile'`)} AS latest_version
FROM verification.subjects s
${JOIN_SUBJECT_KEY}
WHERE s.tenant = $1 AND s.subject_id = ANY ($2::text[])`;

/** $1 consumer, $2 ids */
export const FIND_REPEATED = `
SELECT message_id
FROM verification.inbox
WHERE consumer = $1 AND message_id = ANY ($2::text[])`;

/** $1 tenant, $2 phone keys */
export const FIND_OWNERS = `
SELECT phone_key, subject_id
FROM verification.subject_phones
WHERE tenant = $1 AND phone_key = ANY ($2::text[])`;

/** Sorted, so two transactions cannot deadlock. $1 names of locks */
export const LOCK_IDS = `
SELECT pg_advisory_xact_lock(hash)
FROM (
  SELECT DISTINCT hashtextextended(name, 0) AS hash
  FROM unnest($1::text[]) name
  ORDER BY 1
) names`;

/** $1 tenant, $2 subjects */
export const FIND_EXISTING = `
SELECT subject_id
FROM verification.subjects
WHERE tenant = $1 AND subject_id = ANY ($2::text[])`;

/** $1 consumer, $2 ids */
export const CLAIM = `
INSERT INTO verification.inbox (consumer, message_id)
SELECT $1, message_id
FROM unnest($2::text[]) message_id`;

/** Takes the next versions of parts of subjects, of which no row exists. $1 tenant, $2 subjects, $3 parts */
export const NEXT_VERSIONS = `
INSERT INTO verification.versions (tenant, subject_id, part, version)
SELECT $1, wanted.subject_id, wanted.part, COALESCE(max(earlier.version), 0) + 1
FROM unnest($2::text[], $3::text[]) wanted(subject_id, part)
LEFT JOIN verification.versions earlier
  ON earlier.tenant = $1 AND earlier.subject_id = wanted.subject_id AND earlier.part = wanted.part
GROUP BY wanted.subject_id, wanted.part
RETURNING subject_id, part, version, ${microseconds('written_at')} AS written_us`;

/** $1 tenant, then subjects, incarnations, versions, profiles, key ids, keys */
export const CREATE_SUBJECTS = `
WITH created AS MATERIALIZED (
  SELECT *
  FROM unnest($2::text[], $3::uuid[], $4::integer[], $5::bytea[], $6::text[], $7::bytea[])
    AS given(subject_id, incarnation, version, profile, key_id, wrapped)
), inserted AS (
  INSERT INTO verification.subjects (tenant, subject_id, incarnation, version, profile)
  SELECT $1, subject_id, incarnation, version, profile
  FROM created
)
INSERT INTO verification.subject_keys (tenant, subject_id, key_id, wrapped)
SELECT $1, subject_id, key_id, wrapped
FROM created`;

/** Sorted, so two transactions cannot deadlock. $1 tenant, then phone keys, subjects, tags */
export const ADD_PHONES_OF_MANY = `
INSERT INTO verification.subject_phones (tenant, phone_key, subject_id, tag)
SELECT $1, phone_key, subject_id, tag
FROM unnest($2::text[], $3::text[], $4::text[]) AS phone(phone_key, subject_id, tag)
ORDER BY phone_key`;

/** $1 tenant, then as the columns. Times in microseconds since 1970. */
export const CREATE_CREDENTIALS = `
INSERT INTO verification.credentials (
  tenant,
  subject_id,
  kind,
  version,
  key_id,
  wrapped,
  must_change,
  cap,
  enrolled_at,
  hash_form
)
SELECT
  $1,
  subject_id,
  kind,
  version,
  key_id,
  wrapped,
  must_change,
  cap,
  'epoch'::timestamptz + enrolled_us * interval '1 microsecond',
  hash_form
FROM unnest(
  $2::text[],
  $3::text[],
  $4::integer[],
  $5::text[],
  $6::bytea[],
  $7::boolean[],
  $8::integer[],
  $9::bigint[],
  $10::text[]
) AS given(subject_id, kind, version, key_id, wrapped, must_change, cap, enrolled_us, hash_form)`;
