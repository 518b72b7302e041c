-- API keys of tenants. Their texts are stored nowhere.
CREATE TABLE directory.api_keys (
  key_id text COLLATE "C" PRIMARY KEY,
  tenant text COLLATE "C" NOT NULL REFERENCES directory.tenants,
  name text NOT NULL,
  scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
  -- The agent that a key with the scope verify acts for.
  agent text COLLATE "C" REFERENCES directory.agents,
  -- Array of { hash, validUntil? }: the current text, then those in their grace period.
  hashes jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz,
  disabled_at timestamptz,
  -- Reported by the adapters, at most once a minute.
  last_used_at timestamptz,
  CHECK ((agent IS NOT NULL) = ('verify' = ANY (scopes)))
);
CREATE INDEX api_keys_of_tenant ON directory.api_keys (tenant, key_id);
CREATE INDEX api_keys_of_agent ON directory.api_keys (agent);

ALTER TABLE directory.api_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON directory.api_keys USING (
  tenant = ANY (string_to_array(current_setting('countersign.tenants', true), U&'\001F'))
  OR current_setting('countersign.tenants', true) = '*'
);
