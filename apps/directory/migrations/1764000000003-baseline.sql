-- The directory: tenants and agents with their policies as written. The effective policy is computed, never stored.

-- Ids have the collation "C", so lists have one order on every server.
CREATE TABLE directory.tenants (
  tenant text COLLATE "C" PRIMARY KEY,
  name text NOT NULL,
  policy jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  -- Null while the tenant is enabled.
  disabled_at timestamptz
);

-- The id is the user name of HTTP Basic authentication, so it is unique in the installation, not per tenant.
CREATE TABLE directory.agents (
  agent text COLLATE "C" PRIMARY KEY,
  tenant text COLLATE "C" NOT NULL REFERENCES directory.tenants,
  name text NOT NULL,
  policy jsonb NOT NULL,
  -- Arrays of { hash, validUntil? }: the current secret, then those in their grace period.
  passwords jsonb NOT NULL,
  api_keys jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  disabled_at timestamptz
);
CREATE INDEX agents_of_tenant ON directory.agents (tenant, agent);

-- Vacuumed after a fixed number of dead rows: the rows live for milliseconds, so a share of the table means nothing.
CREATE TABLE directory.outbox (
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
CREATE TABLE directory.inbox (
  consumer text NOT NULL,
  message_id text NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (consumer, message_id)
);
-- BRIN: rows arrive in the order of seen_at, and only the purge reads the index.
CREATE INDEX inbox_seen_at ON directory.inbox USING brin (seen_at);

-- Quarantine of poison records (PostgresDeliveries): which process consumes a partition, and which records it has begun
-- and not finished. A record that is begun again and again keeps ending its process.
CREATE TABLE directory.partition_holders (
  consumer_group text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  holder uuid NOT NULL,
  opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (consumer_group, topic, partition)
);

CREATE TABLE directory.deliveries (
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
ALTER TABLE directory.tenants ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON directory.tenants USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);

ALTER TABLE directory.agents ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON directory.agents USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);
