import { microseconds } from '@countersign/stored-secrets';
import { REMOVED_PIN } from '../credentials/credential.decision.js';

/** The highest version that a part of the subject `s` ever had; null: none. */
export const latestVersion = (part: string): string => `(
    SELECT max(version.version)
    FROM verification.versions version
    WHERE version.tenant = s.tenant AND version.subject_id = s.subject_id AND version.part = ${part}
  )`;

export const PROFILE_COLUMNS = `
  s.subject_id,
  s.incarnation,
  s.version,
  s.profile,
  subject_key.key_id AS own_key_id,
  subject_key.wrapped AS own_key`;

export const CREDENTIAL_COLUMNS = `
  credential.version AS credential_version,
  credential.key_id AS credential_key_id,
  credential.wrapped,
  credential.must_change,
  credential.cap,
  credential.hash_form,
  ${microseconds('credential.enrolled_at')} AS enrolled_us`;

export const JOIN_SUBJECT_KEY = `LEFT JOIN verification.subject_keys subject_key
  ON subject_key.tenant = s.tenant AND subject_key.subject_id = s.subject_id`;

export const joinCredential = (kind: string): string => `LEFT JOIN verification.credentials credential
  ON credential.tenant = s.tenant AND credential.subject_id = s.subject_id AND credential.kind = ${kind}`;

/**
 * Finds subjects by their references, each with its credential of the method, and with the versions that should be in force.
 * One statement for both kinds of reference. $1: the references as JSON. PostgreSQL expects 100 rows of any JSON, so it plans
 * once per connection; from arrays it would plan each call for their lengths, which takes four times as long as the lookup.
 */
export const FIND_SUBJECTS = `
SELECT
  reference.place,
  found.*
FROM jsonb_to_recordset($1::jsonb) AS reference(place int, tenant text, kind text, ref text, method text),
LATERAL (
SELECT${PROFILE_COLUMNS},${CREDENTIAL_COLUMNS},
  ${latestVersion(`'profile'`)} AS latest_version,
  ${latestVersion('reference.method')} AS latest_credential,
  (
    SELECT phone.tag
    FROM verification.subject_phones phone
    WHERE reference.kind = 'phone' AND phone.tenant = reference.tenant AND phone.phone_key = reference.ref
  ) AS phone_tag
FROM verification.subjects s
${JOIN_SUBJECT_KEY}
${joinCredential('reference.method')}
WHERE s.tenant = reference.tenant
  AND s.subject_id = CASE reference.kind WHEN 'id' THEN reference.ref ELSE (
    SELECT phone.subject_id
    FROM verification.subject_phones phone
    WHERE phone.tenant = reference.tenant AND phone.phone_key = reference.ref
  ) END
LIMIT 1
) found`;

/** Reads a subject with its credential of a kind. $1 tenant, $2 subject, $3 kind, $4 command, $5 counter key */
export const FIND_ENROLLED = `
SELECT${PROFILE_COLUMNS},${CREDENTIAL_COLUMNS},
  ${latestVersion(`'profile'`)} AS latest_version,
  ${latestVersion('$3')} AS latest_credential,
  EXISTS (
    SELECT
    FROM verification.inbox
    WHERE consumer = 'subject-commands' AND message_id = $4
  ) AS repeated,
  EXISTS (
    SELECT
    FROM verification.attempt_counters counter
    WHERE counter.tenant = $1 AND counter.counter_key = $5 AND counter.disabled
  ) AS disabled
FROM verification.subjects s
${JOIN_SUBJECT_KEY}
${joinCredential('$3')}
WHERE s.tenant = $1 AND s.subject_id = $2`;

/** Reads the PIN that was removed last, and the PINs before it. $1 tenant, $2 subject */
export const FIND_REMOVED_PIN = `
SELECT${CREDENTIAL_COLUMNS},
  ${latestVersion(`'pin'`)} AS latest_credential
FROM verification.subjects s
${joinCredential(`'${REMOVED_PIN}'`)}
WHERE s.tenant = $1 AND s.subject_id = $2`;

/** Removes a credential and returns it. $1 tenant, $2 subject, $3 kind */
export const REMOVE_CREDENTIAL = `
DELETE FROM verification.credentials credential
WHERE tenant = $1 AND subject_id = $2 AND kind = $3
RETURNING${CREDENTIAL_COLUMNS}`;

/** Locks a subject and reads it. $1 tenant, $2 subject */
export const LOCK_SUBJECT = `
SELECT${PROFILE_COLUMNS}
FROM verification.subjects s
${JOIN_SUBJECT_KEY}
WHERE s.tenant = $1 AND s.subject_id = $2
FOR UPDATE OF s`;

/** Subjects without a key, in order, after a given one. $1 its tenant, $2 its id, $3 rows */
export const FIND_WITHOUT_KEY = `
SELECT
  s.tenant,
  s.subject_id
FROM verification.subjects s
WHERE (s.tenant, s.subject_id) > ($1, $2)
  AND NOT EXISTS (
    SELECT
    FROM verification.subject_keys subject_key
    WHERE subject_key.tenant = s.tenant AND subject_key.subject_id = s.subject_id
  )
ORDER BY s.tenant, s.subject_id
LIMIT $3`;

/** The highest version that a part of a subject ever had; null: none. $1 tenant, $2 subject, $3 part */
export const LATEST_VERSION = `
SELECT max(version) AS version
FROM verification.versions
WHERE tenant = $1 AND subject_id = $2 AND part = $3`;

/**
 * Takes the next version of a part of a subject, which no row ever had. The row of the subject must be locked, or no other
 * transaction may create it. $1 tenant, $2 subject, $3 part
 */
export const NEXT_VERSION = `
INSERT INTO verification.versions (tenant, subject_id, part, version)
SELECT $1, $2, $3, COALESCE(max(version), 0) + 1
FROM verification.versions
WHERE tenant = $1 AND subject_id = $2 AND part = $3
RETURNING version, ${microseconds('written_at')} AS written_us`;

/** Takes the next version of each part of subjects, so none of their rows can be in force again. $1 tenant, $2 subjects */
export const END_VERSIONS = `
INSERT INTO verification.versions (tenant, subject_id, part, version)
SELECT tenant, subject_id, part, max(version) + 1
FROM verification.versions
WHERE tenant = $1 AND subject_id = ANY ($2::text[])
GROUP BY tenant, subject_id, part`;

/**
 * Stores a credential. A new PIN has the removed one in its history.
 * $1 tenant, $2 subject, $3 kind, $4 version, $5 key, $6 wrapped, $7 must change, $8 cap, $9 time in microseconds since 1970,
 * $10 hash form
 */
export const STORE_CREDENTIAL = `
WITH removed AS (
  DELETE FROM verification.credentials
  WHERE tenant = $1 AND subject_id = $2 AND kind = '${REMOVED_PIN}' AND $3 = 'pin'
)
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
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'epoch'::timestamptz + $9::bigint * interval '1 microsecond', $10)
ON CONFLICT (tenant, subject_id, kind) DO UPDATE
  SET
    version = EXCLUDED.version,
    key_id = EXCLUDED.key_id,
    wrapped = EXCLUDED.wrapped,
    must_change = EXCLUDED.must_change,
    cap = EXCLUDED.cap,
    enrolled_at = EXCLUDED.enrolled_at,
    hash_form = EXCLUDED.hash_form`;

/** Removes the numbers of a subject and returns them. $1 tenant, $2 subject */
export const REMOVE_PHONES = `
DELETE FROM verification.subject_phones
WHERE tenant = $1 AND subject_id = $2
RETURNING phone_key, tag`;

/** $1 tenant, $2 subject, $3 phone keys, $4 their tags. Sorted, so two transactions cannot deadlock. */
export const ADD_PHONES = `
INSERT INTO verification.subject_phones (tenant, phone_key, subject_id, tag)
SELECT $1, phone_key, $2, tag
FROM unnest($3::text[], $4::text[]) AS phone(phone_key, tag)
ORDER BY phone_key`;
