import { Migration } from '@countersign/persistence';

/** Answers beside PINs, PINs that must be changed, and the PINs that may not return. */
export class VerificationKnowledge1764000300001 extends Migration {
  override readonly statements = [
    `ALTER TABLE verification.credentials
       DROP CONSTRAINT credentials_kind_check,
       ADD CONSTRAINT credentials_kind_check CHECK (kind IN ('pin', 'knowledge')),
       ADD COLUMN must_change boolean NOT NULL DEFAULT false`,
    // Earlier credentials with the key and the binding that they had when they were in force.
    `CREATE TABLE verification.credential_history (
      tenant text NOT NULL,
      subject_id text NOT NULL,
      kind text NOT NULL CHECK (kind IN ('pin')),
      version integer NOT NULL,
      key_id text NOT NULL,
      wrapped bytea NOT NULL,
      replaced_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY (tenant, subject_id, kind, version),
      FOREIGN KEY (tenant, subject_id) REFERENCES verification.subjects ON DELETE CASCADE
    )`,
    'CREATE INDEX credential_history_key_id ON verification.credential_history (key_id)',
  ];
}
