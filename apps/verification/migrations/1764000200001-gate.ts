import { Migration } from '@countersign/persistence';

/** Lanes, the lifetime cap and disabling at the gate; what is needed to remove decoys and old commands. */
export class VerificationGate1764000200001 extends Migration {
  override readonly statements = [
    // The columns that were there are the lane of known callers. `subject_id` is empty on a decoy.
    `ALTER TABLE verification.guards
      ADD COLUMN stranger_recent timestamptz[] NOT NULL DEFAULT '{}',
      ADD COLUMN stranger_lock_level integer NOT NULL DEFAULT 0,
      ADD COLUMN stranger_locked_until timestamptz,
      ADD COLUMN failures integer NOT NULL DEFAULT 0,
      ADD COLUMN stranger_failures integer NOT NULL DEFAULT 0,
      ADD COLUMN disabled boolean NOT NULL DEFAULT false,
      ADD COLUMN callers text[] NOT NULL DEFAULT '{}',
      ADD COLUMN stranger boolean NOT NULL DEFAULT false,
      ADD COLUMN charged_disable boolean NOT NULL DEFAULT false,
      ADD COLUMN subject_id text`,
    // Nobody is known yet: what was spent and locked until now binds strangers too.
    `UPDATE verification.guards g
     SET stranger_recent = recent, stranger_lock_level = lock_level, stranger_locked_until = locked_until,
         subject_id = (SELECT a.subject_id FROM verification.attempts a
                       WHERE a.tenant = g.tenant AND a.guard_key = g.guard_key AND a.number = g.tries)`,
    `ALTER TABLE verification.attempts
      ADD COLUMN stranger boolean NOT NULL DEFAULT false,
      ADD COLUMN charged_disable boolean NOT NULL DEFAULT false,
      ADD COLUMN disabled boolean NOT NULL DEFAULT false`,
    `ALTER TABLE verification.credentials ADD COLUMN cap integer NOT NULL CHECK (cap BETWEEN 1 AND 100)`,
    `ALTER TABLE verification.commands ADD COLUMN repeat_until timestamptz`,
    `UPDATE verification.commands SET repeat_until = received_at + interval '7 days'`,
    `ALTER TABLE verification.commands ALTER COLUMN repeat_until SET NOT NULL`,
    `CREATE INDEX commands_repeat_until ON verification.commands USING brin (repeat_until)`,
  ];
}
