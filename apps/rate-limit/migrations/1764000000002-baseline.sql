-- The rate limiter: counters of all limits, what administrators and signals changed, and facts to publish.
-- Times in columns of type float8 are milliseconds since 1970, by the clock of this server.

-- The use of one limit by one target. The key is a keyed hash over the tenant and the target, so no row names either.
-- Every list holds the newest 64 entries, oldest first; `…_at` holds the times of the list beside it.
-- The fillfactor lets most updates stay in their page. The key is the only index, so such an update changes no index.
CREATE TABLE rate_limit.counters (
  key uuid PRIMARY KEY,
  -- Admitted requests, for limits of at most 64.
  admitted_at float8[] NOT NULL DEFAULT '{}',
  -- Theoretical arrival time of the rate (GCRA), for limits above 64; 0: none.
  tat float8 NOT NULL DEFAULT 0,
  -- Admitted commands. Their repetitions count nothing.
  commands bigint[] NOT NULL DEFAULT '{}',
  commands_at float8[] NOT NULL DEFAULT '{}',
  -- Different subjects of a caller, in the order of their last admission.
  members bigint[] NOT NULL DEFAULT '{}',
  members_at float8[] NOT NULL DEFAULT '{}',
  -- Theoretical arrival time of new members, for limits above 64; 0: none.
  members_tat float8 NOT NULL DEFAULT 0,
  -- From this time on the counter equals one that does not exist.
  expires_ms float8 NOT NULL DEFAULT 0
) WITH (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0.05,
  autovacuum_vacuum_threshold = 2000
);

-- Limits that an administrator set in place of the policy's.
CREATE TABLE rate_limit.overrides (
  tenant text NOT NULL,
  dimension text NOT NULL,
  -- Empty: every target of the dimension.
  target text NOT NULL,
  max_requests integer NOT NULL CHECK (max_requests > 0),
  period_seconds integer NOT NULL CHECK (period_seconds > 0),
  reason_key text NOT NULL,
  expires_at timestamptz NOT NULL,
  -- For a target that is a keyed hash: its name under each key that the adapter had.
  key_ids text[] NOT NULL,
  targets text[] NOT NULL,
  PRIMARY KEY (tenant, dimension, target)
);

-- Tenants with halved limits.
CREATE TABLE rate_limit.tightened_limits (
  tenant text PRIMARY KEY,
  ends_at timestamptz NOT NULL
);

-- One row. A replica that finds another number than before reads the overrides and the tightened limits again.
-- Resets have a number of their own, because only a reset clears the refusal cache of every replica.
CREATE TABLE rate_limit.settings_version (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  changes bigint NOT NULL,
  resets bigint NOT NULL
);
INSERT INTO rate_limit.settings_version (changes, resets) VALUES (1, 0);

-- Check values of the keys that the tables depend on. A process with another key does not start.
CREATE TABLE rate_limit.key_checks (
  setting text NOT NULL,
  key_id text NOT NULL,
  check_value text NOT NULL CHECK (check_value ~ '^[0-9a-f]{64}$'),
  -- IDENTIFIER_KEY only: every process must hold this key. The times are those of a rotation (countersign keys rekey).
  required boolean NOT NULL,
  required_at timestamptz,
  ready_at timestamptz,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (setting, key_id)
);

-- Vacuumed after a fixed number of dead rows: the rows live for milliseconds, so a share of the table means nothing.
CREATE TABLE rate_limit.outbox (
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

-- Quarantine of poison records (PostgresDeliveries): which process consumes a partition, and which records it has begun
-- and not finished. A record that is begun again and again keeps ending its process.
CREATE TABLE rate_limit.partition_holders (
  consumer_group text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  holder uuid NOT NULL,
  opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (consumer_group, topic, partition)
);

CREATE TABLE rate_limit.deliveries (
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
-- mistaken for '*'. FORCE applies the policy to the owner of the table too. Counters have no tenant: their keys are hashes.
ALTER TABLE rate_limit.overrides ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON rate_limit.overrides USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);

ALTER TABLE rate_limit.tightened_limits ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON rate_limit.tightened_limits USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);
