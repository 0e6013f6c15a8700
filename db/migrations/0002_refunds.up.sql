-- Refunds, disputes, and providers' configuration with encrypted credentials.

ALTER TABLE payments
  ADD COLUMN amount_reserved bigint NOT NULL DEFAULT 0 CHECK (amount_reserved >= 0),
  ADD COLUMN dispute jsonb,
  ADD COLUMN attempt_ordinal smallint NOT NULL DEFAULT 1,
  ADD COLUMN fallbacks jsonb NOT NULL DEFAULT '[]',
  ADD CONSTRAINT payments_refunds_within_captured
    CHECK (amount_refunded + amount_reserved <= amount_captured);
CREATE INDEX payments_by_provider_id ON payments (provider, provider_payment_id)
  WHERE provider_payment_id IS NOT NULL;

-- A later attempt may go to another provider.
ALTER TABLE attempts ADD COLUMN provider text;
UPDATE attempts a SET provider = p.provider FROM payments p WHERE p.id = a.payment_id;
ALTER TABLE attempts ALTER COLUMN provider SET NOT NULL;

CREATE TABLE refunds (
  id text PRIMARY KEY,
  payment_id text NOT NULL REFERENCES payments (id),
  merchant_id text NOT NULL REFERENCES merchants (id),
  idempotency_key text NOT NULL,
  fingerprint text NOT NULL,
  workflow_id text NOT NULL UNIQUE,
  status text NOT NULL CONSTRAINT refunds_status_check CHECK (status IN (
    'pending', 'needs_review', 'succeeded', 'failed')),
  amount bigint NOT NULL CHECK (amount > 0),
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  reason text,
  metadata jsonb NOT NULL DEFAULT '{}',
  dispatch_count smallint NOT NULL DEFAULT 0,
  dispatch_nonce text,
  dispatched_at timestamptz,
  failure_code text,
  failure_message text,
  provider_code text,
  provider_refund_id text,
  provider_receipt text,
  review_reason text,
  waiting_for text,
  wait_until timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  completed_at timestamptz,
  CONSTRAINT refunds_idempotency_key UNIQUE (merchant_id, idempotency_key)
);
CREATE INDEX refunds_by_payment ON refunds (payment_id, id);
CREATE INDEX refunds_open ON refunds (updated_at) WHERE status IN ('pending', 'needs_review');

-- A change of credentials is a new version; open payments finish with the one they began with.
CREATE TABLE provider_configs (
  id text PRIMARY KEY,
  merchant_id text REFERENCES merchants (id),
  provider text NOT NULL,
  environment text NOT NULL CHECK (environment IN ('simulator', 'sandbox', 'production')),
  active boolean NOT NULL DEFAULT true,
  version integer NOT NULL CHECK (version > 0),
  policy_override jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT provider_configs_owner UNIQUE NULLS NOT DISTINCT (merchant_id, provider)
);
CREATE TABLE provider_credentials (
  config_id text NOT NULL REFERENCES provider_configs (id),
  version integer NOT NULL CHECK (version > 0),
  credentials_cipher bytea NOT NULL,
  key_id text NOT NULL,
  shown jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (config_id, version)
);

GRANT SELECT, INSERT, UPDATE ON refunds, provider_configs, provider_credentials TO malipo_app;
