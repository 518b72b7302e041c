import { inboxTable, Migration, outboxTable } from '@countersign/persistence';

/** Subjects, credentials, attempt counters, the ledger and the stored answers. */
export class Verification1764000000001 extends Migration {
  override readonly statements = [
    `CREATE TABLE verification.subjects (
      tenant text NOT NULL,
      subject_id text NOT NULL,
      version integer NOT NULL,
      profile_key_id text NOT NULL,
      profile bytea NOT NULL,
      created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY (tenant, subject_id)
    )`,
    // One number finds at most one subject of a tenant: the primary key is the rule.
    `CREATE TABLE verification.subject_phones (
      tenant text NOT NULL,
      phone_key text NOT NULL,
      subject_id text NOT NULL,
      tag text NOT NULL,
      PRIMARY KEY (tenant, phone_key),
      FOREIGN KEY (tenant, subject_id) REFERENCES verification.subjects ON DELETE CASCADE
    )`,
    `CREATE INDEX subject_phones_of_subject ON verification.subject_phones (tenant, subject_id)`,
    `CREATE TABLE verification.credentials (
      tenant text NOT NULL,
      subject_id text NOT NULL,
      kind text NOT NULL CHECK (kind IN ('pin')),
      version integer NOT NULL,
      key_id text NOT NULL,
      wrapped bytea NOT NULL,
      enrolled_at timestamptz NOT NULL,
      PRIMARY KEY (tenant, subject_id, kind),
      FOREIGN KEY (tenant, subject_id) REFERENCES verification.subjects ON DELETE CASCADE
    )`,
    // A row for every reference that was ever guessed at, known or not: unknown ones are counted and locked like real
    // ones. fillfactor leaves room to update a row in its page, which every try does.
    `CREATE TABLE verification.guards (
      tenant text NOT NULL,
      guard_key text NOT NULL,
      tries bigint NOT NULL,
      recognized_attempts timestamptz[] NOT NULL,
      lock_level integer NOT NULL,
      locked_until timestamptz,
      granted boolean NOT NULL,
      charged_lock boolean NOT NULL,
      remaining integer NOT NULL,
      touched_at timestamptz NOT NULL,
      PRIMARY KEY (tenant, guard_key)
    ) WITH (fillfactor = 70)`,
    `CREATE TABLE verification.commands (
      command_id text PRIMARY KEY,
      fingerprint text NOT NULL,
      attempt_id uuid NOT NULL,
      received_at timestamptz NOT NULL,
      reply text
    ) WITH (fillfactor = 80)`,
    `CREATE TABLE verification.attempts (
      attempt_id uuid PRIMARY KEY,
      command_id text NOT NULL,
      tenant text NOT NULL,
      agent text NOT NULL,
      guard_key text NOT NULL,
      subject_id text,
      number bigint NOT NULL,
      granted boolean NOT NULL,
      charged_lock boolean NOT NULL,
      remaining integer NOT NULL,
      spent_at timestamptz NOT NULL,
      outcome text,
      decided_at timestamptz,
      UNIQUE (tenant, guard_key, number)
    ) WITH (fillfactor = 80)`,
    ...outboxTable('verification'),
    ...inboxTable('verification'),
  ];
}
