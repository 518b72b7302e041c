-- Completeness: what the comparison of ledger, log and topic has found, and how far it has come.

-- Attempts by time, in the milliseconds of the reports of verification.
CREATE INDEX entries_of_attempts ON audit.entries (time) WHERE kind = 'attempt.decided';

CREATE TABLE audit.differences (
  -- See DIFFERENCES in compare-attempts.decision.ts.
  difference text NOT NULL,
  -- Of the attempt; of the topic: the index of the first entry.
  key text NOT NULL,
  tenant text NOT NULL,
  subject text,
  method text,
  number bigint,
  -- When the attempt was counted; null for differences of the topic.
  counted_at timestamptz,
  -- Of the event, so that an event that is sent twice is recorded once.
  fact_id uuid NOT NULL,
  first_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  raised_at timestamptz,
  -- Set by an operator: the difference is explained, and is counted no more.
  accepted_at timestamptz,
  PRIMARY KEY (difference, key)
);
CREATE INDEX differences_counted_at ON audit.differences (counted_at);

ALTER TABLE audit.differences ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON audit.differences USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);

CREATE TABLE audit.comparisons (
  pass text PRIMARY KEY CHECK (pass IN ('live', 'history')),
  compared_until timestamptz NOT NULL,
  compared_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Which entries were read back from the topic: the ranges of their indexes. Read in full, they are one range. Entries of earlier
-- builds were published without an index.
CREATE TABLE audit.read_back (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  indexes int8multirange NOT NULL
);
INSERT INTO audit.read_back (indexes)
SELECT int8multirange(int8range(0, next_idx))
FROM audit.publish_cursor;
