import { Migration } from '@countersign/persistence';

/** Check values of the keys that the tables depend on. A process with another key does not start. */
export class VerificationKeyChecks1764001000001 extends Migration {
  override readonly statements = [
    `CREATE TABLE verification.key_checks (
       setting text NOT NULL,
       key_id text NOT NULL,
       check_value text NOT NULL CHECK (check_value ~ '^[0-9a-f]{64}$'),
       -- Of IDENTIFIER_KEY: every process must hold it. The times are those of a change of keys: libs/stored-secrets/src/rekey.ts.
       required boolean NOT NULL,
       required_at timestamptz,
       ready_at timestamptz,
       recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
       PRIMARY KEY (setting, key_id)
     )`,
  ];
}
