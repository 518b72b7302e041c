import { Migration } from '@countersign/persistence';

/** States of calls, receipts that were spent, and a key for each subject. */
export class CallsAndReceipts1764000500001 extends Migration {
  override readonly statements = [
    `CREATE TABLE verification.calls (
      tenant text NOT NULL,
      call_id text NOT NULL,
      agent text NOT NULL,
      level text NOT NULL CHECK (level IN ('identified', 'verified')),
      subject_id text NOT NULL,
      verification_id uuid NOT NULL,
      verified_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL,
      PRIMARY KEY (tenant, call_id)
    )`,
    `CREATE INDEX calls_of_subject ON verification.calls (tenant, subject_id)`,
    `CREATE INDEX calls_expire ON verification.calls (expires_at)`,
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
