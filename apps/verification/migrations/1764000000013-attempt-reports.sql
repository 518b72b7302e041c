-- Attempts by time, for the reports that the audit service compares with its log.

CREATE INDEX attempts_counted_at ON verification.attempts (counted_at);

-- How far each pass has reported the ledger. The live pass begins now; the pass over the history begins with the first attempt.
CREATE TABLE verification.attempt_reports (
  pass text PRIMARY KEY CHECK (pass IN ('live', 'history')),
  reported_until timestamptz NOT NULL,
  begun_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO verification.attempt_reports (pass, reported_until) VALUES
  ('live', date_trunc('second', clock_timestamp())),
  ('history', 'epoch');
