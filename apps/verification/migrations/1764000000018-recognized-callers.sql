-- What operators see of a recognized caller: the last two digits of the number and the time of the first success, encrypted under
-- the key of the subject and bound to the row. No attempt reads it. The rows of a credential are removed with it. A success locks the
-- credential before the counter, so the check of the foreign key waits for nobody.
CREATE TABLE verification.recognized_callers (
  tenant text NOT NULL,
  subject_id text NOT NULL,
  kind text NOT NULL,
  -- As in attempt_counters.recognized_callers, which decides who is recognized.
  caller text NOT NULL,
  sealed bytea NOT NULL,
  PRIMARY KEY (tenant, subject_id, kind, caller),
  FOREIGN KEY (tenant, subject_id, kind) REFERENCES verification.credentials ON DELETE CASCADE
);

ALTER TABLE verification.recognized_callers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON verification.recognized_callers USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);
