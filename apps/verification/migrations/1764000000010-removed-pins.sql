-- Removed PINs, and lists of subjects.

-- A removed PIN keeps its row under a kind of its own, which no attempt reads: its PINs may not return.
ALTER TABLE verification.credentials
  DROP CONSTRAINT credentials_kind_check,
  ADD CONSTRAINT credentials_kind_check CHECK (kind IN ('pin', 'knowledge', 'removed_pin'));

-- The order of lists. It does not depend on the locale of the server, as that of the primary key does.
CREATE INDEX subjects_in_order ON verification.subjects (tenant, subject_id COLLATE "C");
