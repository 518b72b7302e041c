-- Counts of events per minute and per hour, for charts (ADR 87). The sequencer adds to them in the transaction that makes the
-- entries, so an event is counted once. They begin with this migration.

-- What an event adds to. Null: it is not counted.
ALTER TABLE audit.inbox ADD COLUMN variant text, ADD COLUMN count integer;

CREATE TABLE audit.event_counts (
  tenant text NOT NULL,
  step text NOT NULL CHECK (step IN ('minute', 'hour')),
  -- By the time of the events.
  start_time timestamptz NOT NULL,
  kind text NOT NULL,
  -- Outcome of an attempt, dimension of a refusal; empty for other kinds.
  variant text NOT NULL,
  count bigint NOT NULL CHECK (count > 0),
  PRIMARY KEY (tenant, step, start_time, kind, variant)
) WITH (
  -- Free space keeps the updates of the current step in their pages, without a change of an index.
  fillfactor = 50
);
-- Reads all tenants, and finds old rows.
CREATE INDEX event_counts_by_time ON audit.event_counts (step, start_time);

ALTER TABLE audit.event_counts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON audit.event_counts USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);
