-- Sessions of operators. A cookie holds the id, of which only the SHA-256 is stored. The rows belong to no tenant.
CREATE TABLE directory.operator_sessions (
  id_hash text COLLATE "C" PRIMARY KEY,
  -- Null: the operator signed in with the administrator key.
  issuer text,
  subject text NOT NULL,
  name text NOT NULL,
  -- The session at the provider, which a logout token can name.
  provider_session text,
  -- Array of { role, tenants? }.
  grants jsonb NOT NULL,
  signed_in_at timestamptz NOT NULL,
  -- When the provider authenticated the person.
  authenticated_at timestamptz NOT NULL,
  last_used_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX operator_sessions_of_subject ON directory.operator_sessions (subject, issuer);
CREATE INDEX operator_sessions_by_end ON directory.operator_sessions (expires_at);

-- Sign-ins at the provider that have begun. Each is taken once.
CREATE TABLE directory.operator_sign_ins (
  id_hash text COLLATE "C" PRIMARY KEY,
  return_to text NOT NULL,
  recent boolean NOT NULL,
  begun_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX operator_sign_ins_by_age ON directory.operator_sign_ins (begun_at);
