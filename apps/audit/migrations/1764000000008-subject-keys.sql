-- A key per subject. It encrypts the personal fields of the events that name the subject. Erasure removes the key, so the
-- published bytes stay and the log verifies.

CREATE TABLE audit.subject_keys (
  tenant text NOT NULL,
  subject text NOT NULL,
  -- The id of the key in sealed fields, and the key, encrypted under the key key_id of AUDIT_KEYS and bound to tenant, subject
  -- and own_id. Null after an erasure.
  own_id text,
  key_id text,
  wrapped bytea,
  -- Time of the event that the key was created for.
  created_at timestamptz,
  -- Time of the last erasure of a subject of this id. Events up to it get no key: they can arrive after the erasure.
  erased_at timestamptz,
  PRIMARY KEY (tenant, subject),
  CHECK (num_nulls(own_id, key_id, wrapped, created_at) IN (0, 4))
);
-- Finds the keys of AUDIT_KEYS that are in use.
CREATE INDEX subject_keys_by_key_id ON audit.subject_keys (key_id);

ALTER TABLE audit.subject_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON audit.subject_keys USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);

-- Check values of the keys that the tables were written with.
CREATE TABLE audit.key_checks (
  setting text NOT NULL,
  key_id text NOT NULL,
  check_value text NOT NULL CHECK (check_value ~ '^[0-9a-f]{64}$'),
  required boolean NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (setting, key_id)
);
