-- Outgoing webhooks: who gets which events, and what was delivered.

CREATE TABLE webhooks.webhooks (
  -- UUID version 7, so lists are in the order of creation.
  webhook uuid PRIMARY KEY,
  tenant text COLLATE "C" NOT NULL,
  url text NOT NULL,
  -- Kinds of events, or '*' alone. Sorted.
  event_types text[] NOT NULL,
  description text,
  -- The signing secrets, encrypted under WEBHOOK_KEYS and bound to tenant, webhook, url and event_types: with an edited url
  -- or other event types nothing can be signed, so nothing is sent.
  key_id text NOT NULL,
  secrets bytea NOT NULL,
  created_at timestamptz NOT NULL,
  -- Null while the webhook is enabled.
  disabled_at timestamptz,
  disabled_reason text CHECK (disabled_reason IN ('operator', 'failing', 'gone')),
  -- Consecutive failed attempts, and the first of them. Tests do not count.
  failures integer NOT NULL DEFAULT 0,
  failing_since timestamptz,
  -- The receiver sent Retry-After: no attempt before this time.
  held_until timestamptz,
  CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
);
CREATE INDEX webhooks_of_tenant ON webhooks.webhooks (tenant, webhook);
CREATE INDEX webhooks_by_key ON webhooks.webhooks (key_id);

-- The events that at least one webhook gets. The body is exactly what is sent.
CREATE TABLE webhooks.webhook_events (
  event_id uuid PRIMARY KEY,
  tenant text COLLATE "C" NOT NULL,
  type text NOT NULL,
  body bytea NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX webhook_events_by_age ON webhooks.webhook_events (recorded_at);

-- One event for one webhook. The queue is the key of the event's record: one subject. Deliveries of one queue are sent in the
-- order of seq, each after the end of the one before it.
CREATE TABLE webhooks.webhook_deliveries (
  delivery uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  tenant text COLLATE "C" NOT NULL,
  webhook uuid NOT NULL REFERENCES webhooks.webhooks ON DELETE CASCADE,
  queue text NOT NULL,
  event_id uuid NOT NULL REFERENCES webhooks.webhook_events,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
  -- The last attempts: {at, status?, error?, milliseconds}.
  attempts jsonb NOT NULL DEFAULT '[]',
  -- Since the delivery was created or replayed.
  attempt_count integer NOT NULL DEFAULT 0,
  first_attempt_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz,
  UNIQUE (webhook, event_id)
);
CREATE INDEX pending_of_queue ON webhooks.webhook_deliveries (webhook, queue, seq) WHERE state = 'pending';
CREATE INDEX deliveries_of_webhook ON webhooks.webhook_deliveries (webhook, seq);
CREATE INDEX deliveries_of_event ON webhooks.webhook_deliveries (event_id);
CREATE INDEX deliveries_by_age ON webhooks.webhook_deliveries (created_at);

-- The queues with a pending delivery, and when the first one is due. A copy of the service leases a queue while it sends.
CREATE TABLE webhooks.delivery_queues (
  webhook uuid NOT NULL REFERENCES webhooks.webhooks ON DELETE CASCADE,
  queue text NOT NULL,
  tenant text COLLATE "C" NOT NULL,
  -- Tests are sent to disabled webhooks too.
  is_test boolean NOT NULL DEFAULT false,
  due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  lease uuid,
  leased_until timestamptz,
  PRIMARY KEY (webhook, queue)
);
CREATE INDEX due_queues ON webhooks.delivery_queues (webhook, due_at);

-- Vacuumed after a fixed number of dead rows: the rows live for milliseconds, so a share of the table means nothing.
CREATE TABLE webhooks.outbox (
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
CREATE TABLE webhooks.inbox (
  consumer text NOT NULL,
  message_id text NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (consumer, message_id)
);
-- BRIN: rows arrive in the order of seen_at, and only the purge reads the index.
CREATE INDEX inbox_seen_at ON webhooks.inbox USING brin (seen_at);

-- Quarantine of poison records (PostgresDeliveries): which process consumes a partition, and which records it has begun
-- and not finished. A record that is begun again and again keeps ending its process.
CREATE TABLE webhooks.partition_holders (
  consumer_group text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  holder uuid NOT NULL,
  opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (consumer_group, topic, partition)
);

CREATE TABLE webhooks.deliveries (
  consumer_group text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  record_offset bigint NOT NULL,
  begun integer NOT NULL,
  begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (consumer_group, topic, partition, record_offset)
);

-- Check values of the keys that the tables were written with; a process with other keys does not start.
CREATE TABLE webhooks.key_checks (
  setting text NOT NULL,
  key_id text NOT NULL,
  check_value text NOT NULL CHECK (check_value ~ '^[0-9a-f]{64}$'),
  required boolean NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (setting, key_id)
);

-- Row-level security: a statement sees and writes the rows of the tenants in the setting countersign.tenants, and of all
-- tenants when it is '*'. In the list, U+001F separates the names and precedes the first one, so no tenant's name can be
-- mistaken for '*'. FORCE applies the policy to the owner of the table too.
ALTER TABLE webhooks.webhooks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON webhooks.webhooks USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);

ALTER TABLE webhooks.webhook_events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON webhooks.webhook_events USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);

ALTER TABLE webhooks.webhook_deliveries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON webhooks.webhook_deliveries USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);

ALTER TABLE webhooks.delivery_queues ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON webhooks.delivery_queues USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);
