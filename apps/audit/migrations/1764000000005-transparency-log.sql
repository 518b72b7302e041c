-- The transparency log (ADR 65): facts wait in the inbox; the sequencer moves them to the entries with gapless indexes, and
-- writes the tiles and the tree head in the same transaction.

CREATE TABLE audit.inbox (
  -- The order of arrival. A later fact of a Kafka partition is inserted after the commit of the earlier ones.
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id uuid NOT NULL UNIQUE,
  kind text NOT NULL,
  tenant text NOT NULL,
  subject text,
  call_id text,
  time timestamptz NOT NULL,
  -- The exact bytes of the published event.
  value bytea NOT NULL,
  -- Key of the published record.
  partition_key text NOT NULL,
  -- Trace of the fact, for the header of the published record.
  traceparent text,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (
  -- Rows live for milliseconds, so a share of the table says nothing about its dead rows.
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_insert_scale_factor = 0,
  autovacuum_vacuum_insert_threshold = 20000
);

-- Entries of earlier builds get their indexes in the order of their recording.
INSERT INTO audit.inbox (event_id, kind, tenant, subject, call_id, time, value, partition_key, recorded_at)
SELECT event_id, kind, tenant, subject, call_id, time, value, tenant || ':' || coalesce(subject, ''), recorded_at
FROM audit.entries ORDER BY recorded_at, event_id;

DROP TABLE audit.entries;
DROP FUNCTION audit.refuse_change();

CREATE TABLE audit.entries (
  -- Gapless from 0. Assigned under the lock of log_state, so the order of indexes is the order of commits.
  idx bigint PRIMARY KEY CHECK (idx >= 0),
  event_id uuid NOT NULL UNIQUE,
  kind text NOT NULL,
  tenant text NOT NULL,
  subject text,
  call_id text,
  time timestamptz NOT NULL,
  -- The exact bytes of the published event. The leaf is SHA-256 of 0x00 and these bytes.
  value bytea NOT NULL,
  partition_key text NOT NULL,
  traceparent text,
  recorded_at timestamptz NOT NULL
);
CREATE INDEX entries_by_tenant ON audit.entries (tenant, time);

-- C2SP tlog-tiles. One row per tile; a partial tile is a prefix of the wider one.
CREATE TABLE audit.tiles (
  level smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
  tile_index bigint NOT NULL CHECK (tile_index >= 0),
  -- Number of hashes.
  width smallint NOT NULL CHECK (width BETWEEN 1 AND 256),
  hashes bytea NOT NULL CHECK (octet_length(hashes) = width * 32),
  PRIMARY KEY (level, tile_index)
);
-- Hashes do not compress.
ALTER TABLE audit.tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- The unsigned head after each batch.
CREATE TABLE audit.tree_heads (
  size bigint PRIMARY KEY CHECK (size > 0),
  root bytea NOT NULL CHECK (octet_length(root) = 32),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One row. The sequencer compares and swaps its size.
CREATE TABLE audit.log_state (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  size bigint NOT NULL DEFAULT 0 CHECK (size >= 0),
  -- `CompactRange.serialize` of the entries; null while there is none.
  compact_range bytea,
  -- Set by the first batch, never changed.
  origin text
);
INSERT INTO audit.log_state DEFAULT VALUES;

-- One row: the next entry to publish. Entries of earlier builds are published already.
CREATE TABLE audit.publish_cursor (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  next_idx bigint NOT NULL CHECK (next_idx >= 0)
);
INSERT INTO audit.publish_cursor (next_idx) SELECT count(*) FROM audit.inbox;

-- Signed checkpoints, from the topic countersign.audit.checkpoints.
CREATE TABLE audit.checkpoints (
  size bigint NOT NULL CHECK (size >= 0),
  signed_at timestamptz NOT NULL,
  root bytea NOT NULL CHECK (octet_length(root) = 32),
  -- The signed note, with the cosignatures of the witnesses.
  note text NOT NULL,
  received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (size, signed_at)
);

-- Triggers, because they bind the service's own role and the owner of the tables too.
CREATE FUNCTION audit.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit trail is append-only';
END $$;

-- A tile only grows: its hashes stay, in their order.
CREATE FUNCTION audit.refuse_other_hashes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.level = OLD.level AND NEW.tile_index = OLD.tile_index AND NEW.width >= OLD.width
    AND substring(NEW.hashes FOR octet_length(OLD.hashes)) = OLD.hashes THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'a tile of the audit log only grows';
END $$;

CREATE FUNCTION audit.refuse_smaller_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.size > OLD.size AND (OLD.origin IS NULL OR NEW.origin = OLD.origin) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'the audit log only grows, and keeps its origin';
END $$;

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['entries', 'tree_heads', 'checkpoints'] LOOP
    EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE ON audit.%I
      FOR EACH ROW EXECUTE FUNCTION audit.refuse_change()', name || '_append_only', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['tiles', 'log_state'] LOOP
    EXECUTE format('CREATE TRIGGER %I BEFORE DELETE ON audit.%I
      FOR EACH ROW EXECUTE FUNCTION audit.refuse_change()', name || '_never_deleted', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['entries', 'tree_heads', 'checkpoints', 'tiles', 'log_state'] LOOP
    EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON audit.%I
      FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()', name || '_never_truncated', name);
  END LOOP;
END $$;
CREATE TRIGGER tiles_only_grow BEFORE UPDATE ON audit.tiles
  FOR EACH ROW EXECUTE FUNCTION audit.refuse_other_hashes();
CREATE TRIGGER log_state_only_grows BEFORE UPDATE ON audit.log_state
  FOR EACH ROW EXECUTE FUNCTION audit.refuse_smaller_log();

-- Row-level security, as the baseline describes it.
ALTER TABLE audit.entries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON audit.entries USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);
ALTER TABLE audit.inbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON audit.inbox USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);
