-- Merchants, payments with their attempts, the audit trail, and what providers sent us.
-- Amounts are minor units. Columns ending in _cipher hold AES-256-GCM (db/vault.ts); _hash a keyed
-- hash for look-up; _masked what may be shown.

CREATE TABLE merchants (
  id text PRIMARY KEY,
  name text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
  id text PRIMARY KEY,
  merchant_id text NOT NULL REFERENCES merchants (id),
  prefix text NOT NULL,
  hash bytea NOT NULL UNIQUE,
  scopes text[] NOT NULL DEFAULT '{}',
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE payments (
  id text PRIMARY KEY,
  merchant_id text NOT NULL REFERENCES merchants (id),
  idempotency_key text NOT NULL,
  fingerprint text NOT NULL,
  workflow_id text NOT NULL UNIQUE,
  attempt_id text NOT NULL,
  status text NOT NULL CONSTRAINT payments_status_check CHECK (status IN (
    'created', 'processing', 'requires_action', 'authorized', 'needs_review', 'succeeded', 'failed',
    'canceled')),
  provider text NOT NULL,
  credentials_ref text NOT NULL,
  amount bigint NOT NULL CHECK (amount > 0),
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  amount_captured bigint NOT NULL DEFAULT 0 CHECK (amount_captured BETWEEN 0 AND amount),
  amount_refunded bigint NOT NULL DEFAULT 0
    CHECK (amount_refunded BETWEEN 0 AND amount_captured),
  customer_id text,
  phone_cipher bytea,
  phone_hash bytea,
  phone_masked text,
  email_cipher bytea,
  email_hash bytea,
  email_masked text,
  name_cipher bytea,
  name_masked text,
  payment_method text,
  capture_method text NOT NULL CHECK (capture_method IN ('automatic', 'manual')),
  reference text NOT NULL,
  description text,
  return_url text,
  metadata jsonb NOT NULL DEFAULT '{}',
  next_action jsonb,
  failure_code text,
  failure_message text,
  provider_code text,
  provider_payment_id text,
  provider_receipt text,
  review_reason text,
  waiting_for text,
  wait_until timestamptz,
  policy jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  completed_at timestamptz,
  CONSTRAINT payments_idempotency_key UNIQUE (merchant_id, idempotency_key)
);
CREATE INDEX payments_by_merchant ON payments (merchant_id, id DESC);
CREATE INDEX payments_by_merchant_status ON payments (merchant_id, status, id DESC);
CREATE INDEX payments_by_phone ON payments (merchant_id, phone_hash, id DESC)
  WHERE phone_hash IS NOT NULL;
CREATE INDEX payments_by_reference ON payments (merchant_id, reference, id DESC);
CREATE INDEX payments_open ON payments (status, updated_at)
  WHERE status IN ('created', 'processing', 'requires_action', 'authorized', 'needs_review');

CREATE TABLE attempts (
  id text PRIMARY KEY,
  payment_id text NOT NULL REFERENCES payments (id),
  ordinal smallint NOT NULL CHECK (ordinal BETWEEN 1 AND 255),
  status text NOT NULL CONSTRAINT attempts_status_check CHECK (status IN (
    'prepared', 'dispatched', 'unknown', 'settled')),
  dispatch_count smallint NOT NULL DEFAULT 0,
  dispatch_nonce text,
  dispatched_at timestamptz,
  settled_at timestamptz,
  provider_payment_id text,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (payment_id, ordinal)
);

CREATE TABLE audit_entries (
  id text PRIMARY KEY,
  payment_id text NOT NULL REFERENCES payments (id),
  seq integer NOT NULL CHECK (seq > 0),
  key text NOT NULL,
  action text NOT NULL,
  from_status text,
  to_status text,
  actor text NOT NULL,
  cause text NOT NULL,
  details jsonb NOT NULL DEFAULT '{}',
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  previous_hash bytea NOT NULL,
  hash bytea NOT NULL,
  UNIQUE (payment_id, seq),
  UNIQUE (payment_id, key)
);

CREATE TABLE webhook_events (
  id text PRIMARY KEY,
  provider text NOT NULL,
  event_key text NOT NULL,
  status text NOT NULL CONSTRAINT webhook_events_status_check CHECK (status IN (
    'received', 'applied', 'parked', 'rejected')),
  workflow_id text,
  payment_id text REFERENCES payments (id),
  event jsonb,
  body_cipher bytea NOT NULL,
  headers jsonb NOT NULL DEFAULT '{}',
  verified_by text NOT NULL,
  remote_address text,
  error text,
  duplicate_count integer NOT NULL DEFAULT 0,
  delivery_count integer NOT NULL DEFAULT 0,
  delivered_at timestamptz,
  received_at timestamptz NOT NULL DEFAULT now(),
  applied_at timestamptz,
  CONSTRAINT webhook_events_key UNIQUE (provider, event_key)
);
CREATE INDEX webhook_events_by_payment ON webhook_events (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX webhook_events_undelivered ON webhook_events (received_at) WHERE status = 'received';

-- The trail of a payment is a chain: each entry's number follows the last one's and its hash covers
-- the last one's hash, so that a change behind the trigger's back shows.
CREATE FUNCTION chain_audit_entry() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE last record;
BEGIN
  SELECT seq, hash INTO last FROM audit_entries
    WHERE payment_id = NEW.payment_id ORDER BY seq DESC LIMIT 1;
  NEW.seq := coalesce(last.seq, 0) + 1;
  NEW.at := clock_timestamp();
  NEW.previous_hash := coalesce(last.hash, sha256(convert_to(NEW.payment_id, 'UTF8')));
  NEW.hash := sha256(NEW.previous_hash || convert_to(concat_ws(E'\x1f', NEW.id, NEW.payment_id,
    NEW.seq, NEW.key, NEW.action, coalesce(NEW.from_status, '-'), coalesce(NEW.to_status, '-'),
    NEW.actor, NEW.cause, NEW.details::text,
    to_char(NEW.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')), 'UTF8'));
  RETURN NEW;
END $$;
CREATE TRIGGER audit_entries_chain BEFORE INSERT ON audit_entries
  FOR EACH ROW EXECUTE FUNCTION chain_audit_entry();

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit entries are append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

-- The application runs as this role (db/pool.ts); it owns nothing and cannot alter the trail.
DO $$ BEGIN
  CREATE ROLE malipo_app NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$ BEGIN
  EXECUTE format('GRANT malipo_app TO %I', current_user);
EXCEPTION WHEN OTHERS THEN RAISE NOTICE 'grant the role malipo_app to the login role by hand';
END $$;
GRANT USAGE ON SCHEMA public TO malipo_app;
GRANT SELECT, INSERT, UPDATE ON merchants, api_keys, payments, attempts, webhook_events
  TO malipo_app;
GRANT SELECT, INSERT ON audit_entries TO malipo_app;
