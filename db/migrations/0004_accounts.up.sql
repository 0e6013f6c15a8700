-- Operators and their sessions, what they did, names for API keys, and the counters of rate limits.

ALTER TABLE merchants ADD COLUMN active boolean NOT NULL DEFAULT true;
ALTER TABLE api_keys ADD COLUMN name text NOT NULL DEFAULT '', ADD COLUMN created_by text;
CREATE INDEX api_keys_by_merchant ON api_keys (merchant_id, id);
-- Until now a key's scopes were not asked: what worked goes on working.
UPDATE api_keys SET scopes = '{payments:read,payments:write,refunds:write,provider_configs:read,
  provider_configs:write,webhook_endpoints:read,webhook_endpoints:write,api_keys:read,
  api_keys:write}';

CREATE TABLE operators (
  id text PRIMARY KEY,
  email text NOT NULL UNIQUE CHECK (email = lower(email)),
  name text NOT NULL,
  role text NOT NULL CONSTRAINT operators_role_check CHECK (role IN (
    'viewer', 'operator', 'admin')),
  password_hash text NOT NULL,
  active boolean NOT NULL DEFAULT true,
  last_signed_in_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

-- A refresh token is good once. One that comes back after its use was stolen: its family ends.
CREATE TABLE refresh_tokens (
  hash bytea PRIMARY KEY,
  operator_id text NOT NULL REFERENCES operators (id),
  family text NOT NULL,
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_by_operator ON refresh_tokens (operator_id);

-- Written before the act, so that none goes unseen; the status of the answer is added after it.
CREATE TABLE operator_acts (
  id text PRIMARY KEY,
  operator_id text NOT NULL,
  email text NOT NULL,
  role text NOT NULL,
  action text NOT NULL,
  target text,
  details jsonb NOT NULL DEFAULT '{}',
  request_id text NOT NULL,
  remote_address text NOT NULL,
  user_agent text,
  status smallint,
  at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX operator_acts_by_target ON operator_acts (target, id);
CREATE TRIGGER operator_acts_append_only BEFORE DELETE OR TRUNCATE ON operator_acts
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

-- The columns are rate-limiter-flexible's. Counters may be lost in a crash of the server.
CREATE UNLOGGED TABLE rate_limits (
  key varchar(255) PRIMARY KEY,
  points integer NOT NULL DEFAULT 0,
  expire bigint
);

GRANT SELECT, INSERT, UPDATE ON operators, refresh_tokens TO malipo_app;
GRANT SELECT, INSERT, UPDATE (status) ON operator_acts TO malipo_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON rate_limits TO malipo_app;
