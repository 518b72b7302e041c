-- The audit service: one append-only table, and the tables that every consumer has.

CREATE TABLE audit.entries (
  event_id uuid PRIMARY KEY,
  -- Position in the transparency log; null until the log takes the entry in.
  idx bigint UNIQUE,
  kind text NOT NULL,
  tenant text NOT NULL,
  subject text,
  call_id text,
  time timestamptz NOT NULL,
  -- The exact bytes of the published event.
  value bytea NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX entries_by_tenant ON audit.entries (tenant, time);

-- A trigger, because it binds the service's own role and the owner of the table too. The only permitted update assigns idx,
-- once: the row without idx must stay as it is, whatever columns the table has.
CREATE FUNCTION audit.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.idx IS NULL AND to_jsonb(NEW) - 'idx' = to_jsonb(OLD) - 'idx' THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'the audit trail is append-only';
END $$;
CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE ON audit.entries
  FOR EACH ROW EXECUTE FUNCTION audit.refuse_change();
CREATE TRIGGER entries_never_truncated BEFORE TRUNCATE ON audit.entries
  FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();

-- Quarantine of poison records (PostgresDeliveries): which process consumes a partition, and which records it has begun
-- and not finished. A record that is begun again and again keeps ending its process.
CREATE TABLE audit.partition_holders (
  consumer_group text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  holder uuid NOT NULL,
  opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (consumer_group, topic, partition)
);

CREATE TABLE audit.deliveries (
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
ALTER TABLE audit.entries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON audit.entries USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);
