-- Shards of the log are half-years (UTC) and ranges of indexes. Pruning removes the entries of old shards; tiles, tree heads and
-- checkpoints stay, so proofs and receipts verify (ADR 75).

CREATE TABLE audit.shards (
  name text PRIMARY KEY CHECK (name ~ '^\d{4}h[12]$'),
  -- Index of its first entry, log.shard_started.
  first_idx bigint NOT NULL UNIQUE CHECK (first_idx >= 0),
  started_at timestamptz NOT NULL,
  -- The last signed checkpoint of the shard before, as in that entry; null when nothing was signed yet.
  checkpoint text
);

-- What may be removed. A row permits the removal of every entry below an index.
CREATE TABLE audit.prunings (
  -- Bundles of 256 entries are removed whole.
  below bigint PRIMARY KEY CHECK (below > 0 AND below % 256 = 0),
  -- The last shard that is removed.
  shard text NOT NULL REFERENCES audit.shards,
  -- Index of the entry log.pruned that states it.
  stated_by bigint NOT NULL UNIQUE,
  pruned_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The conditions bind everybody, also the owner of the tables: an entry of the log states exactly this range, its hash is in the
-- tile, and a checkpoint of a stored tree head covers it. The signature was verified before the checkpoint was stored.
CREATE FUNCTION audit.refuse_unstated_pruning() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.below > coalesce((SELECT max(below) FROM audit.prunings), 0)
    AND NEW.below <= NEW.stated_by
    AND NEW.below <= (SELECT next_idx FROM audit.publish_cursor)
    AND EXISTS (
      SELECT
      FROM audit.entries e
      JOIN audit.tiles t ON t.level = 0 AND t.tile_index = e.idx / 256
      WHERE e.idx = NEW.stated_by
        AND e.kind = 'log.pruned'
        AND e.tenant = '_installation'
        AND substring(t.hashes FROM (e.idx % 256)::int * 32 + 1 FOR 32) = sha256('\x00'::bytea || e.value)
        AND convert_from(e.value, 'UTF8')::jsonb #> '{unmapped,detail}' @>
          jsonb_build_object('shard', NEW.shard, 'from', 0, 'to', NEW.below - 1)
    )
    AND EXISTS (
      SELECT FROM audit.checkpoints JOIN audit.tree_heads USING (size, root) WHERE size > NEW.stated_by
    )
  THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'no covered entry of the audit log states this pruning';
END $$;
CREATE TRIGGER prunings_stated BEFORE INSERT ON audit.prunings
  FOR EACH ROW EXECUTE FUNCTION audit.refuse_unstated_pruning();

-- No setting and no forged row removes an entry of the last 30 days: its recording time never changes.
CREATE FUNCTION audit.refuse_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.idx < (SELECT max(below) FROM audit.prunings)
    AND OLD.recorded_at < clock_timestamp() - interval '30 days' THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'the audit trail is append-only';
END $$;
DROP TRIGGER entries_append_only ON audit.entries;
CREATE TRIGGER entries_append_only BEFORE UPDATE ON audit.entries
  FOR EACH ROW EXECUTE FUNCTION audit.refuse_change();
CREATE TRIGGER entries_removed_as_stated BEFORE DELETE ON audit.entries
  FOR EACH ROW EXECUTE FUNCTION audit.refuse_removal();

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['shards', 'prunings'] LOOP
    EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE ON audit.%I
      FOR EACH ROW EXECUTE FUNCTION audit.refuse_change()', name || '_append_only', name);
    EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON audit.%I
      FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()', name || '_never_truncated', name);
  END LOOP;
END $$;
