-- Search reads pages in the order of idx. Each filter has an index that ends in idx, so a page reads its rows and no others.
DROP INDEX audit.entries_by_tenant;
CREATE INDEX entries_of_tenant ON audit.entries (tenant, idx);
CREATE INDEX entries_of_tenant_and_kind ON audit.entries (tenant, kind, idx);
CREATE INDEX entries_of_kind ON audit.entries (kind, idx);
CREATE INDEX entries_of_subject ON audit.entries (subject, idx) WHERE subject IS NOT NULL;
CREATE INDEX entries_of_call ON audit.entries (call_id, idx) WHERE call_id IS NOT NULL;

-- The times of each 1,024 entries. idx and time grow together but for late facts, so a filter by time becomes bounds of idx.
CREATE TABLE audit.entry_times (
  block bigint PRIMARY KEY CHECK (block >= 0),
  first_time timestamptz NOT NULL,
  last_time timestamptz NOT NULL CHECK (last_time >= first_time)
);

-- In the statement that adds the entries, so no committed entry is without its block.
CREATE FUNCTION audit.note_entry_times() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit.entry_times AS t (block, first_time, last_time)
  SELECT idx / 1024, min(time), max(time) FROM added GROUP BY 1 ORDER BY 1
  ON CONFLICT (block) DO UPDATE
    SET first_time = least(t.first_time, excluded.first_time), last_time = greatest(t.last_time, excluded.last_time)
    WHERE excluded.first_time < t.first_time OR excluded.last_time > t.last_time;
  RETURN NULL;
END $$;
CREATE TRIGGER entries_noted AFTER INSERT ON audit.entries REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION audit.note_entry_times();
INSERT INTO audit.entry_times (block, first_time, last_time)
SELECT idx / 1024, min(time), max(time) FROM audit.entries GROUP BY 1;
