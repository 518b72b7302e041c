import { Migration } from '@countersign/persistence';

/** Successes of calls, receipts that were spent, and a key for each subject. */
export class CallsAndReceipts1764000500001 extends Migration {
  override readonly statements = [
    // What is kept of a success: it decides about calls, receipts and repeated answers alike. Empty for every other attempt.
    `ALTER TABLE verification.attempts
      ADD COLUMN call_id text,
      ADD COLUMN method text CHECK (method IN ('pin', 'knowledge')),
      ADD COLUMN level text CHECK (level IN ('identified', 'verified')),
      ADD COLUMN incarnation uuid,
      ADD COLUMN credential_version integer,
      ADD COLUMN expires_at timestamptz,
      ADD COLUMN success_tag text`,
    // No column that a verdict changes: its update must not touch an index.
    `CREATE INDEX attempts_of_call ON verification.attempts (tenant, agent, call_id) WHERE call_id IS NOT NULL`,
    // An id may be used again after an erasure, and versions of credentials begin anew: this never comes back.
    `ALTER TABLE verification.subjects ADD COLUMN incarnation uuid NOT NULL DEFAULT gen_random_uuid()`,
    `CREATE TABLE verification.receipts_consumed (
      tenant text NOT NULL,
      jti uuid NOT NULL,
      command_id text NOT NULL,
      expires_at timestamptz NOT NULL,
      PRIMARY KEY (tenant, jti)
    )`,
    `CREATE INDEX receipts_consumed_expire ON verification.receipts_consumed (expires_at)`,
    // A table of its own: who keeps backups for long leaves it out of them, and erasure reaches those too.
    `CREATE TABLE verification.subject_keys (
      tenant text NOT NULL,
      subject_id text NOT NULL,
      key_id text NOT NULL,
      wrapped bytea NOT NULL,
      PRIMARY KEY (tenant, subject_id),
      FOREIGN KEY (tenant, subject_id) REFERENCES verification.subjects ON DELETE CASCADE
    )`,
    // A stored reply no longer holds what is personal: erasing a subject must not have to look for it here.
    `UPDATE verification.commands SET reply = (reply::jsonb - 'displayName' - 'locale')::text
     WHERE reply LIKE '%"displayName"%' OR reply LIKE '%"locale"%'`,
  ];
}
