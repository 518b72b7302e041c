-- The verification service: subjects, credentials, attempt counters and the ledger of attempts.

CREATE TABLE verification.subjects (
  tenant text NOT NULL,
  subject_id text NOT NULL,
  -- An id may be used again after an erasure, and its versions go on. The incarnation is new and never comes back. The
  -- profile is bound to it.
  incarnation uuid NOT NULL,
  version integer NOT NULL,
  profile_key_id text NOT NULL,
  profile bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant, subject_id)
);
-- Read at every start: which keys are in use.
CREATE INDEX subjects_profile_key_id ON verification.subjects (profile_key_id);

-- The primary key is the rule: a telephone number identifies at most one subject of a tenant.
CREATE TABLE verification.subject_phones (
  tenant text NOT NULL,
  phone_key text NOT NULL,
  subject_id text NOT NULL,
  tag text NOT NULL,
  PRIMARY KEY (tenant, phone_key),
  FOREIGN KEY (tenant, subject_id) REFERENCES verification.subjects ON DELETE CASCADE
);
CREATE INDEX subject_phones_of_subject ON verification.subject_phones (tenant, subject_id);

-- The key of each subject, in a table of its own: backups that are kept for long can leave it out, so an erasure reaches
-- them too.
CREATE TABLE verification.subject_keys (
  tenant text NOT NULL,
  subject_id text NOT NULL,
  key_id text NOT NULL,
  wrapped bytea NOT NULL,
  PRIMARY KEY (tenant, subject_id),
  FOREIGN KEY (tenant, subject_id) REFERENCES verification.subjects ON DELETE CASCADE
);
CREATE INDEX subject_keys_key_id ON verification.subject_keys (key_id);

CREATE TABLE verification.credentials (
  tenant text NOT NULL,
  subject_id text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('pin', 'knowledge')),
  version integer NOT NULL,
  key_id text NOT NULL,
  wrapped bytea NOT NULL,
  must_change boolean NOT NULL DEFAULT false,
  -- Consecutive failures that disable the credential.
  cap integer NOT NULL CHECK (cap BETWEEN 1 AND 100),
  enrolled_at timestamptz NOT NULL,
  PRIMARY KEY (tenant, subject_id, kind),
  FOREIGN KEY (tenant, subject_id) REFERENCES verification.subjects ON DELETE CASCADE
);
CREATE INDEX credentials_key_id ON verification.credentials (key_id);

-- Each version number that a part of a subject ever had. A row is in force only if it has the highest one, so a row from
-- an older state is detected. An erasure takes a number too, which no row has, so an erased row cannot return.
CREATE TABLE verification.versions (
  tenant text NOT NULL,
  subject_id text NOT NULL,
  part text NOT NULL CHECK (part IN ('profile', 'pin', 'knowledge')),
  version integer NOT NULL,
  written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant, subject_id, part, version)
);

-- The names key, wrapped by the keyring: references, numbers, callers and commands are stored under their hashes by this
-- key. There is one.
CREATE TABLE verification.names_key (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  key_id text NOT NULL,
  wrapped bytea NOT NULL
);

-- Check values of the keys that the tables depend on. A process with another key does not start.
CREATE TABLE verification.key_checks (
  setting text NOT NULL,
  key_id text NOT NULL,
  check_value text NOT NULL CHECK (check_value ~ '^[0-9a-f]{64}$'),
  -- For keys of IDENTIFIER_KEY that every process must hold. The times are those of a change of keys.
  required boolean NOT NULL,
  required_at timestamptz,
  ready_at timestamptz,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (setting, key_id)
);

-- One row for each credential of a reference with an attempt. References without a subject have decoys, which count and
-- lock in the same way; their subject_id is null. The fillfactor lets every attempt update its row in place.
CREATE TABLE verification.attempt_counters (
  tenant text NOT NULL,
  counter_key text NOT NULL,
  subject_id text,
  attempt_count bigint NOT NULL,
  last_attempt_at timestamptz NOT NULL,
  -- The attempt window. Times of attempts of recognized callers; the lock holds for every caller.
  recognized_attempts timestamptz[] NOT NULL,
  lock_level integer NOT NULL,
  locked_until timestamptz,
  -- Times of attempts of unrecognized callers; the lock holds for them only.
  unrecognized_attempts timestamptz[] NOT NULL DEFAULT '{}',
  unrecognized_lock_level integer NOT NULL DEFAULT 0,
  unrecognized_locked_until timestamptz,
  -- Consecutive failures of all callers, and of unrecognized ones.
  failures integer NOT NULL DEFAULT 0,
  unrecognized_failures integer NOT NULL DEFAULT 0,
  disabled boolean NOT NULL DEFAULT false,
  recognized_callers text[] NOT NULL DEFAULT '{}',
  -- The decision about the latest attempt, which the ledger holds too.
  unrecognized boolean NOT NULL DEFAULT false,
  granted boolean NOT NULL,
  charged_lock boolean NOT NULL,
  charged_disable boolean NOT NULL DEFAULT false,
  remaining integer NOT NULL,
  PRIMARY KEY (tenant, counter_key)
) WITH (fillfactor = 70);

-- A type and not text: values are compared, whatever the time zone or the locale of the session that wrote them.
CREATE TYPE verification.counter_state AS (
  recognized_attempts timestamptz[],
  lock_level integer,
  locked_until timestamptz,
  unrecognized_attempts timestamptz[],
  unrecognized_lock_level integer,
  unrecognized_locked_until timestamptz,
  failures integer,
  unrecognized_failures integer,
  disabled boolean
);

CREATE FUNCTION verification.counter_state_of(counter verification.attempt_counters) RETURNS verification.counter_state
LANGUAGE sql IMMUTABLE AS $$
  SELECT ROW(
    counter.recognized_attempts,
    counter.lock_level,
    counter.locked_until,
    counter.unrecognized_attempts,
    counter.unrecognized_lock_level,
    counter.unrecognized_locked_until,
    counter.failures,
    counter.unrecognized_failures,
    counter.disabled
  )::verification.counter_state
$$;

-- Counter adjustments: the state of a counter that was changed outside an attempt. The state holds until the next attempt,
-- the recognized callers until they change. The foreign key removes the row with its counter, even if another transaction
-- writes it late.
CREATE TABLE verification.counter_adjustments (
  tenant text NOT NULL,
  counter_key text NOT NULL,
  -- The latest attempt at the time of the adjustment.
  number bigint NOT NULL,
  state_after verification.counter_state NOT NULL,
  recognized_callers text[] NOT NULL,
  PRIMARY KEY (tenant, counter_key),
  FOREIGN KEY (tenant, counter_key) REFERENCES verification.attempt_counters ON DELETE CASCADE
) WITH (fillfactor = 70);

-- The command that claimed an id, and the stored reply for its repetitions.
CREATE TABLE verification.commands (
  command_id text PRIMARY KEY,
  fingerprint text NOT NULL,
  attempt_id uuid NOT NULL,
  received_at timestamptz NOT NULL,
  repeat_until timestamptz NOT NULL,
  reply text,
  reply_tag text
) WITH (fillfactor = 80);
CREATE INDEX commands_repeat_until ON verification.commands USING brin (repeat_until);

-- The ledger: one row per counted attempt. An outcome must not change an indexed column, so that its update stays in place.
CREATE TABLE verification.attempts (
  attempt_id uuid PRIMARY KEY,
  command_id text NOT NULL,
  tenant text NOT NULL,
  agent text NOT NULL,
  call_id text,
  counter_key text NOT NULL,
  subject_id text,
  -- 1 for the first attempt of a counter, without gaps.
  number bigint NOT NULL,
  counted_at timestamptz NOT NULL,
  unrecognized boolean NOT NULL DEFAULT false,
  granted boolean NOT NULL,
  charged_lock boolean NOT NULL,
  charged_disable boolean NOT NULL DEFAULT false,
  disabled boolean NOT NULL DEFAULT false,
  remaining integer NOT NULL,
  -- The counter after this attempt. Only the latest attempt of a counter is read. Recognized callers are not part of it,
  -- because the ledger is never erased.
  state_after verification.counter_state,
  outcome text,
  decided_at timestamptz,
  -- A success: decides about calls, receipts and repeated replies. Null for every other outcome.
  method text CHECK (method IN ('pin', 'knowledge')),
  level text CHECK (level IN ('identified', 'verified')),
  incarnation uuid,
  credential_version integer,
  expires_at timestamptz,
  success_tag text,
  UNIQUE (tenant, counter_key, number)
) WITH (fillfactor = 80);
CREATE INDEX attempts_of_call ON verification.attempts (tenant, agent, call_id) WHERE call_id IS NOT NULL;

CREATE TABLE verification.consumed_receipts (
  tenant text NOT NULL,
  jti uuid NOT NULL,
  command_id text NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (tenant, jti)
);
CREATE INDEX consumed_receipts_expires_at ON verification.consumed_receipts (expires_at);

-- Whether a counter agrees with its ledger: it is as its latest attempt, or a later adjustment, left it.
-- PL/pgSQL and VOLATILE, so that its query gets a new snapshot. The surrounding statement may have waited for the lock of
-- the counter, and would miss a row of the ledger that was committed since.
CREATE FUNCTION verification.agrees_with_ledger(counter verification.attempt_counters) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  agrees boolean;
BEGIN
  SELECT
    attempt.counted_at = counter.last_attempt_at
      AND COALESCE(adjustment.recognized_callers, '{}') = counter.recognized_callers
      AND verification.counter_state_of(counter) IS NOT DISTINCT FROM
        CASE WHEN adjustment.number = attempt.number THEN adjustment.state_after ELSE attempt.state_after END
  INTO agrees
  FROM verification.attempts attempt
  LEFT JOIN verification.counter_adjustments adjustment
    ON adjustment.tenant = counter.tenant AND adjustment.counter_key = counter.counter_key
  WHERE attempt.tenant = counter.tenant
    AND attempt.counter_key = counter.counter_key
    AND attempt.number = counter.attempt_count;
  RETURN COALESCE(agrees, false);
END $$;

-- Triggers that refuse changes of rows. The role of the service owns none of these tables, so it cannot drop them. A
-- superuser could, and is let through.
CREATE FUNCTION verification.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
    RAISE EXCEPTION 'rows of %.% cannot be changed', TG_TABLE_SCHEMA, TG_TABLE_NAME;
  ELSIF TG_OP = 'DELETE' THEN
    RETURN OLD;
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER versions_append_only BEFORE UPDATE OR DELETE ON verification.versions
  FOR EACH ROW EXECUTE FUNCTION verification.refuse_change();

-- A new names key would start every counter anew. `keys rewrap` updates the row; other bytes do not decrypt, and stop the
-- start.
CREATE TRIGGER names_key_kept BEFORE DELETE ON verification.names_key
  FOR EACH ROW EXECUTE FUNCTION verification.refuse_change();

-- A counted attempt never changes, and gets one outcome: an emptied outcome would let a secret be compared again.
CREATE TRIGGER attempts_decided_once BEFORE UPDATE ON verification.attempts
  FOR EACH ROW WHEN (
    (OLD.attempt_id, OLD.command_id, OLD.tenant, OLD.agent, OLD.counter_key, OLD.subject_id, OLD.number, OLD.granted,
     OLD.counted_at, OLD.state_after)
    IS DISTINCT FROM
    (NEW.attempt_id, NEW.command_id, NEW.tenant, NEW.agent, NEW.counter_key, NEW.subject_id, NEW.number, NEW.granted,
     NEW.counted_at, NEW.state_after)
    OR OLD.outcome IS NOT NULL AND (OLD.outcome, OLD.decided_at) IS DISTINCT FROM (NEW.outcome, NEW.decided_at)
  )
  EXECUTE FUNCTION verification.refuse_change();

-- The purge removes old rows of decoys. One day is the shortest age of a decoy that may be purged.
CREATE TRIGGER attempts_kept BEFORE DELETE ON verification.attempts
  FOR EACH ROW WHEN (OLD.counted_at > clock_timestamp() - interval '1 day')
  EXECUTE FUNCTION verification.refuse_change();

-- A command stays bound to the content that was counted, until another attempt may claim its id.
CREATE TRIGGER commands_bound BEFORE UPDATE ON verification.commands
  FOR EACH ROW WHEN (
    OLD.command_id <> NEW.command_id
    OR OLD.attempt_id = NEW.attempt_id AND
      (OLD.fingerprint, OLD.received_at, OLD.repeat_until) IS DISTINCT FROM
      (NEW.fingerprint, NEW.received_at, NEW.repeat_until)
  )
  EXECUTE FUNCTION verification.refuse_change();

CREATE TRIGGER commands_kept BEFORE DELETE ON verification.commands
  FOR EACH ROW WHEN (OLD.repeat_until > clock_timestamp())
  EXECUTE FUNCTION verification.refuse_change();

-- A consumed receipt stays consumed until it expires.
CREATE TRIGGER consumed_receipts_bound BEFORE UPDATE ON verification.consumed_receipts
  FOR EACH ROW EXECUTE FUNCTION verification.refuse_change();

CREATE TRIGGER consumed_receipts_kept BEFORE DELETE ON verification.consumed_receipts
  FOR EACH ROW WHEN (OLD.expires_at > clock_timestamp())
  EXECUTE FUNCTION verification.refuse_change();

-- Vacuumed after a fixed number of dead rows: the rows live for milliseconds, so a share of the table means nothing.
CREATE TABLE verification.outbox (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id uuid NOT NULL,
  topic text NOT NULL,
  key text NOT NULL,
  headers jsonb NOT NULL DEFAULT '{}',
  payload text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_insert_scale_factor = 0,
  autovacuum_vacuum_insert_threshold = 20000
);

-- Ids of the commands that have taken effect.
CREATE TABLE verification.inbox (
  consumer text NOT NULL,
  message_id text NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (consumer, message_id)
);
-- BRIN: rows arrive in the order of seen_at, and only the purge reads the index.
CREATE INDEX inbox_seen_at ON verification.inbox USING brin (seen_at);

-- Quarantine of poison records (PostgresDeliveries): which process consumes a partition, and which records it has begun
-- and not finished. A record that is begun again and again keeps ending its process.
CREATE TABLE verification.partition_holders (
  consumer_group text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  holder uuid NOT NULL,
  opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (consumer_group, topic, partition)
);

CREATE TABLE verification.deliveries (
  consumer_group text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  record_offset bigint NOT NULL,
  begun integer NOT NULL,
  begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (consumer_group, topic, partition, record_offset)
);

-- Row-level security: a statement sees and writes the rows of the tenants in the setting countersign.tenants, and of all
-- tenants when it is '*'. In the list, U+001F separates the names and precedes the first one, so no tenant's name can be
-- mistaken for '*'. FORCE applies the policy to the owner of the table too.
ALTER TABLE verification.subjects ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON verification.subjects USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);

ALTER TABLE verification.subject_phones ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON verification.subject_phones USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);

ALTER TABLE verification.subject_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON verification.subject_keys USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);

ALTER TABLE verification.credentials ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON verification.credentials USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);

ALTER TABLE verification.versions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON verification.versions USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);

ALTER TABLE verification.attempt_counters ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON verification.attempt_counters USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);

ALTER TABLE verification.counter_adjustments ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON verification.counter_adjustments USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);

ALTER TABLE verification.attempts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON verification.attempts USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);

ALTER TABLE verification.consumed_receipts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON verification.consumed_receipts USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);
