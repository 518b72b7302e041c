-- An override is a resource of the API: with an id, whether it is in shadow mode, who set it and when.
ALTER TABLE rate_limit.overrides
  ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid(),
  ADD COLUMN shadow boolean NOT NULL DEFAULT false,
  -- Null: set by a version that did not record it.
  ADD COLUMN actor jsonb,
  ADD COLUMN created_at timestamptz NOT NULL DEFAULT clock_timestamp();
CREATE UNIQUE INDEX overrides_id ON rate_limit.overrides (tenant, id);
