import { Migration } from '@countersign/persistence';

/** Unrecognized callers, the lifetime cap and disabling at the gate; what is needed to remove decoys and old commands. */
export class VerificationGate1764000200001 extends Migration {
  override readonly statements = [
    // `callers` are the recognized ones. `locked_until` holds for everybody, `unrecognized_locked_until` for the others only.
    // `subject_id` is empty on a decoy.
    `ALTER TABLE verification.guards
      ADD COLUMN unrecognized_attempts timestamptz[] NOT NULL DEFAULT '{}',
      ADD COLUMN unrecognized_lock_level integer NOT NULL DEFAULT 0,
      ADD COLUMN unrecognized_locked_until timestamptz,
      ADD COLUMN failures integer NOT NULL DEFAULT 0,
      ADD COLUMN unrecognized_failures integer NOT NULL DEFAULT 0,
      ADD COLUMN disabled boolean NOT NULL DEFAULT false,
      ADD COLUMN callers text[] NOT NULL DEFAULT '{}',
      ADD COLUMN unrecognized boolean NOT NULL DEFAULT false,
      ADD COLUMN charged_disable boolean NOT NULL DEFAULT false,
      ADD COLUMN subject_id text`,
    `ALTER TABLE verification.attempts
      ADD COLUMN unrecognized boolean NOT NULL DEFAULT false,
      ADD COLUMN charged_disable boolean NOT NULL DEFAULT false,
      ADD COLUMN disabled boolean NOT NULL DEFAULT false`,
    `ALTER TABLE verification.credentials ADD COLUMN cap integer NOT NULL CHECK (cap BETWEEN 1 AND 100)`,
    `ALTER TABLE verification.commands ADD COLUMN repeat_until timestamptz`,
    `UPDATE verification.commands SET repeat_until = received_at + interval '7 days'`,
    `ALTER TABLE verification.commands ALTER COLUMN repeat_until SET NOT NULL`,
    `CREATE INDEX commands_repeat_until ON verification.commands USING brin (repeat_until)`,
  ];
}
