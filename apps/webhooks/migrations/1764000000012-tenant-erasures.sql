-- Tenants that were deleted, or are being deleted. No webhook can be created for a tenant with this time of creation; a tenant
-- that is created again under the id has another one.
CREATE TABLE webhooks.tenant_erasures (
  tenant text COLLATE "C" PRIMARY KEY,
  tenant_created_at timestamptz NOT NULL,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Null while webhooks, deliveries or events remain.
  completed_at timestamptz
);

ALTER TABLE webhooks.tenant_erasures ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON webhooks.tenant_erasures USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);

CREATE INDEX webhook_events_of_tenant ON webhooks.webhook_events (tenant);
