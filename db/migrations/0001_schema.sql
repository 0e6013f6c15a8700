-- The schema of Malipo: what is stored, and why.
--
--   1  Roles                      malipo_app, malipo_report
--   2  Merchants                  merchants, api_keys, provider_configs, provider_credentials
--   3  Payments                   payments, attempts, refunds, audit_entries
--   4  What providers send us     webhook_events
--   5  What we send to merchants  outgoing_events, webhook_endpoints, webhook_secrets, deliveries,
--                                 delivery_attempts, and the triggers that write events
--   6  Operators                  operators, refresh_tokens, operator_activity, decisions
--   7  Housekeeping               sweep_rounds, rate_limits
--
-- Ids are a prefix and a UUIDv7 (domain/id.ts): the order of ids is the order of creation, so lists
-- are paged by id. Amounts are whole minor units of their currency. Columns that end in _cipher
-- hold AES-256-GCM (db/vault.ts), _hash a keyed hash for look-up, _masked what may be shown.
--
-- Statuses change only as the state tables in domain/ say; the code that changes them stands in
-- db/record.ts, db/record-refund.ts and db/dispatch.ts. A test compares the lists of statuses below
-- with those of the code.
--
-- Later changes are files of their own, 0002 and so on. There is no way down: ADR 0001.


-- 1  Roles ---------------------------------------------------------------------------------------
-- Who may do what, and why: docs/decisions/0026-database-roles.md. The owner of the tables only
-- migrates. malipo_app is the role of API, worker and scripts, malipo_report that of reports.
-- Passwords are the deployer's (docs/deployment.md).

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY '{malipo_app, malipo_report}'::text[] LOOP
    IF to_regrole(name) IS NULL THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', name);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        -- Another database of this server is being migrated at the same time.
        NULL;
      END;
    END IF;
  END LOOP;
END $$;
GRANT USAGE ON SCHEMA public TO malipo_app, malipo_report;

-- Grants a privilege on all columns of a table but some. Used in this file only, and dropped at its
-- end. Columns are listed by what is withheld:
-- - From malipo_app, UPDATE of evidence: who asked for what, for how much, when, and what came in
--   from where. The application writes these columns once, with the row.
-- - From malipo_report, what is encrypted, hashed, secret or a stranger's text.
-- A column that a later migration adds has no grants until that migration grants them.
CREATE PROCEDURE grant_except(privilege text, target regclass, role regrole, withheld text[])
LANGUAGE plpgsql AS $$
DECLARE
  every text[];
  granted text;
BEGIN
  SELECT array_agg(attname::text) INTO every FROM pg_attribute
    WHERE attrelid = target AND attnum > 0 AND NOT attisdropped;
  IF NOT withheld <@ every THEN
    RAISE EXCEPTION '% has no column of %', target, withheld;
  END IF;
  SELECT string_agg(quote_ident(name), ', ') INTO granted FROM unnest(every) AS name
    WHERE name <> ALL (withheld);
  EXECUTE format('GRANT %s (%s) ON %s TO %s', privilege, granted, target, role);
END $$;

-- Each function of this schema sets its search_path: a trigger would otherwise look for tables
-- where its caller's session says, and find a temporary table first unless pg_temp stands last.

-- For tables whose rows are added and never changed.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

-- For columns that are written once, after the row: who confirmed a decision, when a key ended.
CREATE FUNCTION refuse_second_value() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY TG_ARGV LOOP
    IF to_jsonb(OLD)->>name IS NOT NULL
      AND to_jsonb(OLD)->>name IS DISTINCT FROM to_jsonb(NEW)->>name THEN
      RAISE EXCEPTION '%.% is set once', TG_TABLE_NAME, name
        USING ERRCODE = 'insufficient_privilege';
    END IF;
  END LOOP;
  RETURN NEW;
END $$;


-- 2  Merchants -----------------------------------------------------------------------------------

CREATE TABLE merchants (
  id text PRIMARY KEY,
  name text NOT NULL,
  -- While false, nothing of the merchant is sent to a provider.
  active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT ON merchants TO malipo_app;
CALL grant_except('UPDATE', 'merchants', 'malipo_app', '{id, created_at}');
CALL grant_except('SELECT', 'merchants', 'malipo_report', '{}');

-- The key itself is never stored: `hash` finds it, `prefix` lets people recognize it.
CREATE TABLE api_keys (
  id text PRIMARY KEY,
  merchant_id text NOT NULL REFERENCES merchants (id),
  name text NOT NULL DEFAULT '',
  prefix text NOT NULL,
  hash bytea NOT NULL UNIQUE,
  scopes text[] NOT NULL DEFAULT '{}',
  -- The id of the key or operator that made it. Revoking a key revokes all that it made.
  created_by text,
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX api_keys_by_merchant ON api_keys (merchant_id, id);
CREATE INDEX api_keys_by_creator ON api_keys (created_by, merchant_id) WHERE created_by IS NOT NULL;
-- Counted at each creation: a merchant has a limited number of valid keys.
CREATE INDEX api_keys_live ON api_keys (merchant_id, id DESC) WHERE revoked_at IS NULL;
CREATE TRIGGER api_keys_once BEFORE UPDATE OF revoked_at ON api_keys
  FOR EACH ROW EXECUTE FUNCTION refuse_second_value('revoked_at');
GRANT SELECT, INSERT ON api_keys TO malipo_app;
CALL grant_except('UPDATE', 'api_keys', 'malipo_app',
  '{id, merchant_id, prefix, hash, scopes, created_by, created_at}');

-- A provider as a merchant uses it. Without a merchant: the default of all that have none of their
-- own.
CREATE TABLE provider_configs (
  id text PRIMARY KEY,
  merchant_id text REFERENCES merchants (id),
  provider text NOT NULL,
  environment text NOT NULL CHECK (environment IN ('simulator', 'sandbox', 'production')),
  active boolean NOT NULL DEFAULT true,
  -- The version of its credentials that new payments get.
  version integer NOT NULL CHECK (version > 0),
  policy_override jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT provider_configs_owner UNIQUE NULLS NOT DISTINCT (merchant_id, provider)
);
GRANT SELECT, INSERT ON provider_configs TO malipo_app;
CALL grant_except('UPDATE', 'provider_configs', 'malipo_app',
  '{id, merchant_id, provider, created_at}');

-- A change of credentials is a new version; open payments finish with the one they began with.
CREATE TABLE provider_credentials (
  config_id text NOT NULL REFERENCES provider_configs (id),
  version integer NOT NULL CHECK (version > 0),
  -- Whose credentials they are at the provider: the same in each version that only changes secrets.
  -- A refund is made with the newest credentials of the account that took the money.
  account text NOT NULL,
  credentials_cipher bytea NOT NULL,
  -- The data key that encrypted them (db/re-encrypt.ts).
  key_id text NOT NULL,
  -- The credentials with their secrets masked.
  shown jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (config_id, version)
);
GRANT SELECT, INSERT ON provider_credentials TO malipo_app;
CALL grant_except('UPDATE', 'provider_credentials', 'malipo_app',
  '{config_id, version, account, shown, created_at}');


-- 3  Payments ------------------------------------------------------------------------------------

CREATE TABLE payments (
  id text PRIMARY KEY,
  merchant_id text NOT NULL REFERENCES merchants (id),

  -- The request. The same key with another request is refused: `fingerprint` is a keyed hash of it.
  idempotency_key text NOT NULL,
  fingerprint text NOT NULL,
  amount bigint NOT NULL CHECK (amount > 0),
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  capture_method text NOT NULL CHECK (capture_method IN ('automatic', 'manual')),
  payment_method text,
  reference text NOT NULL,
  description text,
  return_url text,
  metadata jsonb NOT NULL DEFAULT '{}',

  -- The payer.
  customer_id text,
  phone_cipher bytea,
  phone_hash bytea,
  phone_masked text,
  email_cipher bytea,
  email_hash bytea,
  email_masked text,
  name_cipher bytea,
  name_masked text,

  -- Where it stands.
  status text NOT NULL CONSTRAINT payments_status_check CHECK (status IN (
    'created', 'processing', 'requires_action', 'authorized', 'needs_review', 'succeeded', 'failed',
    'canceled')),
  -- What the payer has to do, such as a page to open.
  next_action jsonb,
  review_reason text,
  failure_code text,
  failure_message text,
  -- The provider asked never to try again: no rule of a policy makes that worth another try.
  failure_is_final boolean NOT NULL DEFAULT false,
  -- The provider's own code of its last response.
  provider_code text,

  -- Its money. What a lost dispute took cannot be refunded as well.
  amount_captured bigint NOT NULL DEFAULT 0
    CONSTRAINT payments_captured_within_amount CHECK (amount_captured BETWEEN 0 AND amount),
  amount_refunded bigint NOT NULL DEFAULT 0 CHECK (amount_refunded >= 0),
  -- By refunds that are still open.
  amount_reserved bigint NOT NULL DEFAULT 0 CHECK (amount_reserved >= 0),
  -- By disputes that were lost.
  amount_disputed bigint NOT NULL DEFAULT 0 CHECK (amount_disputed >= 0),
  CONSTRAINT payments_refunds_within_captured
    CHECK (amount_refunded + amount_reserved + amount_disputed <= amount_captured),
  -- All disputes of the payment, in the order in which we heard of them.
  disputes jsonb NOT NULL DEFAULT '[]',
  -- Money that a provider holds or took for this payment under another id than the payment's own.
  unmatched_receipts jsonb NOT NULL DEFAULT '[]',

  -- The attempt that counts now, with its provider, credentials and policy; `fallbacks` are the
  -- providers that may be tried after it. `credentials_ref` is `env:<provider>` for credentials of
  -- the deployment, else `config:<id>@<version>`; what stands before the @ names the account.
  attempt_id text NOT NULL,
  attempt_ordinal smallint NOT NULL DEFAULT 1,
  provider text NOT NULL,
  credentials_ref text NOT NULL,
  policy jsonb NOT NULL,
  fallbacks jsonb NOT NULL DEFAULT '[]',
  provider_payment_id text,
  provider_receipt text,

  -- Its workflow. The id is derived from merchant and idempotency key, so that the same request
  -- can only ever start the same workflow.
  workflow_id text NOT NULL UNIQUE,
  -- What the workflow waits for, and until when at the latest. An open payment that has not changed
  -- by then is overdue: it may have lost its workflow.
  waiting_for text,
  wait_until timestamptz,
  -- When the sweeper last looked at it.
  swept_at timestamptz,
  -- When the provider is asked once more about a payment that ended without money, and how often it
  -- was: a callback may have been lost, and a status query may have failed too early (ADR 0018).
  look_back_at timestamptz,
  look_back_count smallint NOT NULL DEFAULT 0,

  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  completed_at timestamptz,
  CONSTRAINT payments_idempotency_key UNIQUE (merchant_id, idempotency_key)
);
-- A receipt stands for money that moved once, so it pays for one payment of an account. The code
-- asks before it writes (db/receipts.ts); this index holds whatever the code does.
CREATE UNIQUE INDEX payments_one_receipt
  ON payments (provider, split_part(credentials_ref, '@', 1), provider_receipt)
  WHERE provider_receipt IS NOT NULL AND status IN ('authorized', 'succeeded');

-- What a merchant lists and filters by, newest first.
CREATE INDEX payments_by_merchant ON payments (merchant_id, id DESC);
CREATE INDEX payments_by_merchant_status ON payments (merchant_id, status, id DESC);
CREATE INDEX payments_by_phone ON payments (merchant_id, phone_hash, id DESC)
  WHERE phone_hash IS NOT NULL;
CREATE INDEX payments_by_reference ON payments (merchant_id, reference, id DESC);

-- What operators search by, over all merchants. Receipts and references are found in any case:
-- support staff type them in small letters.
CREATE INDEX payments_by_any_phone ON payments (phone_hash, id DESC) WHERE phone_hash IS NOT NULL;
CREATE INDEX payments_by_any_email ON payments (email_hash, id DESC) WHERE email_hash IS NOT NULL;
CREATE INDEX payments_by_any_reference ON payments (lower(reference), id DESC);
CREATE INDEX payments_by_customer ON payments (customer_id, id DESC) WHERE customer_id IS NOT NULL;
CREATE INDEX payments_by_receipt ON payments (lower(provider_receipt), id DESC)
  WHERE provider_receipt IS NOT NULL;
CREATE INDEX payments_by_amount ON payments (amount, id DESC);

-- What needs a person, and what is stuck. Each holds open rows only, however many have ended.
CREATE INDEX payments_in_review ON payments (id DESC) WHERE status = 'needs_review';
CREATE INDEX payments_waiting ON payments (id)
  WHERE status IN ('created', 'processing', 'requires_action', 'authorized');
CREATE INDEX payments_with_open_unmatched_receipts ON payments (id)
  WHERE unmatched_receipts @> '[{"status": "open"}]';

-- The sweeper's queues, one for each status. A row that was looked at goes to the end, so that no
-- number of quiet rows hides another (db/sweep.ts).
CREATE INDEX payments_to_sweep ON payments (status, (coalesce(swept_at, updated_at)))
  WHERE status IN ('created', 'processing', 'requires_action', 'authorized', 'needs_review');
CREATE INDEX payments_to_look_back ON payments (look_back_at) WHERE look_back_at IS NOT NULL;

GRANT SELECT, INSERT ON payments TO malipo_app;
CALL grant_except('UPDATE', 'payments', 'malipo_app',
  '{id, merchant_id, workflow_id, amount, currency, created_at}');
CALL grant_except('SELECT', 'payments', 'malipo_report',
  '{phone_cipher, phone_hash, email_cipher, email_hash, name_cipher}');

-- A payment is tried once or several times, at one provider or at several.
CREATE TABLE attempts (
  id text PRIMARY KEY,
  payment_id text NOT NULL REFERENCES payments (id),
  ordinal smallint NOT NULL CHECK (ordinal BETWEEN 1 AND 255),
  -- Where it was sent, and with whose credentials: events of an account at the provider count for
  -- attempts of that account only.
  provider text NOT NULL,
  credentials_ref text NOT NULL,
  status text NOT NULL CONSTRAINT attempts_status_check CHECK (status IN (
    'prepared', 'dispatched', 'unknown', 'settled')),
  -- When its next send was due. A send that comes too long after that is not made any more
  -- (accept_within_ms of the policy).
  due_at timestamptz NOT NULL DEFAULT now(),
  -- The dispatch claim (ADR 0002): before a send's first byte leaves, one run raises the count and
  -- writes its nonce. Whoever finds the count raised by another nonce does not send.
  dispatch_count smallint NOT NULL DEFAULT 0,
  dispatch_nonce text,
  dispatched_at timestamptz,
  settled_at timestamptz,
  provider_payment_id text,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (payment_id, ordinal)
);
CREATE INDEX attempts_by_provider_payment_id ON attempts (provider_payment_id)
  WHERE provider_payment_id IS NOT NULL;
GRANT SELECT, INSERT ON attempts TO malipo_app;
CALL grant_except('UPDATE', 'attempts', 'malipo_app',
  '{id, payment_id, ordinal, provider, credentials_ref, created_at}');
CALL grant_except('SELECT', 'attempts', 'malipo_report', '{dispatch_nonce}');

CREATE TABLE refunds (
  id text PRIMARY KEY,
  payment_id text NOT NULL REFERENCES payments (id),
  merchant_id text NOT NULL REFERENCES merchants (id),
  -- `provider`: it was made at the provider, past us. Then it has no key of the merchant's, and the
  -- provider's id of it makes it unique.
  origin text NOT NULL DEFAULT 'malipo'
    CONSTRAINT refunds_origin_check CHECK (origin IN ('malipo', 'provider')),
  idempotency_key text,
  fingerprint text,
  CONSTRAINT refunds_ours_have_keys CHECK (
    CASE origin WHEN 'malipo' THEN idempotency_key IS NOT NULL AND fingerprint IS NOT NULL
      ELSE provider_refund_id IS NOT NULL END),
  amount bigint NOT NULL CHECK (amount > 0),
  -- The part that goes beyond the money that was taken; the rest counts in the payment's sums.
  amount_over bigint NOT NULL DEFAULT 0
    CONSTRAINT refunds_over_within_amount CHECK (amount_over BETWEEN 0 AND amount),
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  reason text,
  metadata jsonb NOT NULL DEFAULT '{}',

  status text NOT NULL CONSTRAINT refunds_status_check CHECK (status IN (
    'pending', 'needs_review', 'succeeded', 'failed')),
  review_reason text,
  failure_code text,
  failure_message text,
  provider_code text,

  -- The newest credentials of the account that took the money.
  credentials_ref text NOT NULL,
  -- The dispatch claim, as that of an attempt.
  dispatch_count smallint NOT NULL DEFAULT 0,
  dispatch_nonce text,
  dispatched_at timestamptz,
  provider_refund_id text,
  provider_receipt text,

  -- Its workflow, as that of a payment.
  workflow_id text NOT NULL UNIQUE,
  waiting_for text,
  wait_until timestamptz,
  swept_at timestamptz,
  look_back_at timestamptz,
  look_back_count smallint NOT NULL DEFAULT 0,

  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  completed_at timestamptz,
  CONSTRAINT refunds_idempotency_key UNIQUE (merchant_id, idempotency_key)
);
CREATE UNIQUE INDEX refunds_made_at_provider ON refunds (payment_id, provider_refund_id)
  WHERE origin = 'provider';
-- As payments_one_receipt; a refund's account names its provider as well.
CREATE UNIQUE INDEX refunds_one_receipt
  ON refunds (split_part(credentials_ref, '@', 1), provider_receipt)
  WHERE provider_receipt IS NOT NULL AND status = 'succeeded';
CREATE INDEX refunds_by_payment ON refunds (payment_id, id);
CREATE INDEX refunds_in_review ON refunds (id) WHERE status = 'needs_review';
CREATE INDEX refunds_pending ON refunds (id) WHERE status = 'pending';
CREATE INDEX refunds_to_sweep ON refunds (status, (coalesce(swept_at, updated_at)))
  WHERE status IN ('pending', 'needs_review');
CREATE INDEX refunds_to_look_back ON refunds (look_back_at) WHERE look_back_at IS NOT NULL;
GRANT SELECT, INSERT ON refunds TO malipo_app;
CALL grant_except('UPDATE', 'refunds', 'malipo_app',
  '{id, payment_id, merchant_id, workflow_id, amount, currency, origin, created_at}');
CALL grant_except('SELECT', 'refunds', 'malipo_report', '{dispatch_nonce}');

-- The trail of a payment and its refunds: each change with who made it and why. It is a chain: an
-- entry's hash covers the hash before it, so that a change past the triggers shows
-- (`npm run admin -- verify-audit`).
CREATE TABLE audit_entries (
  id text PRIMARY KEY,
  payment_id text NOT NULL REFERENCES payments (id),
  seq integer NOT NULL CHECK (seq > 0),
  -- Names the step that was recorded. The same step recorded again is found by it and writes
  -- nothing: this makes each write of a payment idempotent.
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
-- What operators search by, over all merchants. People and the sweeper write few of the entries.
CREATE INDEX audit_entries_by_time ON audit_entries (at, id);
CREATE INDEX audit_entries_by_action ON audit_entries (action, at, id);
CREATE INDEX audit_entries_by_rare_actor ON audit_entries (actor, at, id)
  WHERE actor IN ('operator', 'sweeper');
-- Payments that a status query brought to their end, for statistics; db/statistics.ts asks in the
-- same words.
CREATE INDEX audit_entries_resolved_by_polling ON audit_entries (payment_id, to_status)
  WHERE action IN ('payment.succeeded', 'payment.failed', 'payment.canceled')
    AND to_status IN ('succeeded', 'failed', 'canceled')
    AND key ~ '(^|/)(lookup|review|verify)(/|$)' AND from_status <> to_status;

CREATE FUNCTION chain_audit_entry() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
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
CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON audit_entries TO malipo_app;
-- With its hashes: an auditor can follow the chain without any other right.
GRANT SELECT ON audit_entries TO malipo_report;


-- 4  What providers send us ----------------------------------------------------------------------

-- Callbacks, stored before they are answered.
CREATE TABLE webhook_events (
  id text PRIMARY KEY,
  provider text NOT NULL,
  -- The provider's name of the event: the same event again only counts.
  event_key text NOT NULL,
  CONSTRAINT webhook_events_key UNIQUE (provider, event_key),
  -- received: waits for its payment's workflow. parked: waits for an operator.
  status text NOT NULL CONSTRAINT webhook_events_status_check CHECK (status IN (
    'received', 'applied', 'parked', 'rejected')),
  -- Why it is parked or rejected, or how it was resolved.
  error text,

  -- What proved the sender: a token in the address, which names a workflow, or a signature, which
  -- proves an account. `payment_id` is set where that account was sent the payment.
  verified_by text NOT NULL,
  workflow_id text,
  account text,
  payment_id text REFERENCES payments (id),
  remote_address text,

  -- As we read it, with personal ids sealed; null where it cannot be read. The bytes as they came.
  event jsonb,
  headers jsonb NOT NULL DEFAULT '{}',
  body_cipher bytea NOT NULL,

  duplicate_count integer NOT NULL DEFAULT 0,
  -- How often it was delivered to Temporal, and when last. What is not applied is delivered again.
  delivery_count integer NOT NULL DEFAULT 0,
  delivered_at timestamptz,
  -- How often an operator had it processed again. Each time it is delivered under another id, since
  -- a workflow ignores an id that it has seen.
  replay_count integer NOT NULL DEFAULT 0,
  swept_at timestamptz,
  received_at timestamptz NOT NULL DEFAULT now(),
  applied_at timestamptz
);
CREATE INDEX webhook_events_by_payment ON webhook_events (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX webhook_events_by_status ON webhook_events (status, id DESC);
-- The sweeper's queues, as those of payments.
CREATE INDEX webhook_events_to_deliver ON webhook_events ((coalesce(swept_at, received_at)))
  WHERE status = 'received';
-- Disputes and refunds made at the provider may come before the payment that they name.
CREATE INDEX webhook_events_parked_money ON webhook_events (received_at)
  WHERE status = 'parked' AND event->>'kind' IN ('dispute', 'provider_refund');
GRANT SELECT, INSERT ON webhook_events TO malipo_app;
CALL grant_except('UPDATE', 'webhook_events', 'malipo_app',
  '{id, provider, account, event_key, workflow_id, event, headers, verified_by, remote_address,
    received_at}');
CALL grant_except('SELECT', 'webhook_events', 'malipo_report',
  '{event, headers, body_cipher, remote_address}');


-- 5  What we send to merchants -------------------------------------------------------------------

-- Events: one row for each visible change, written by the triggers below in the transaction of the
-- change, so that no code path can forget it. Readers order by (tx, position) and read only
-- transactions before the oldest open one (db/outgoing-events.ts): a row with an earlier id or time
-- may be committed after a later one was read.
CREATE TABLE outgoing_events (
  id text PRIMARY KEY,
  position bigint GENERATED ALWAYS AS IDENTITY,
  tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
  merchant_id text NOT NULL REFERENCES merchants (id),
  type text NOT NULL,
  payment_id text REFERENCES payments (id),
  refund_id text REFERENCES refunds (id),
  -- For an event that is meant for one endpoint.
  endpoint_id text,
  -- Nothing personal: a merchant reads the payment itself for more.
  data jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX outgoing_events_in_order ON outgoing_events (tx, position);
CREATE INDEX outgoing_events_by_merchant ON outgoing_events (merchant_id, tx, position);
-- A merchant may ask for its events from a time on once more.
CREATE INDEX outgoing_events_by_merchant_id ON outgoing_events (merchant_id, id);
GRANT SELECT, INSERT ON outgoing_events TO malipo_app;
CALL grant_except('SELECT', 'outgoing_events', 'malipo_report', '{}');

-- Where a merchant wants its events. `event_types` empty: all of them.
CREATE TABLE webhook_endpoints (
  id text PRIMARY KEY,
  merchant_id text NOT NULL REFERENCES merchants (id),
  url text NOT NULL,
  description text,
  event_types text[] NOT NULL DEFAULT '{}',
  active boolean NOT NULL DEFAULT true,
  -- Why we switched it off ourselves; null where its merchant did.
  disabled_reason text,
  failing_since timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz
);
CREATE INDEX webhook_endpoints_by_merchant ON webhook_endpoints (merchant_id, id);
-- An address is an endpoint once for each merchant, so that one event is one POST to it. By a hash,
-- since an address may be longer than an index takes.
CREATE UNIQUE INDEX webhook_endpoints_by_url ON webhook_endpoints (merchant_id, md5(url))
  WHERE deleted_at IS NULL;
CREATE TRIGGER webhook_endpoints_once BEFORE UPDATE OF deleted_at ON webhook_endpoints
  FOR EACH ROW EXECUTE FUNCTION refuse_second_value('deleted_at');
GRANT SELECT, INSERT ON webhook_endpoints TO malipo_app;
CALL grant_except('UPDATE', 'webhook_endpoints', 'malipo_app', '{id, merchant_id, created_at}');

-- While a secret is rotated the old one signs as well, until it expires.
CREATE TABLE webhook_secrets (
  endpoint_id text NOT NULL REFERENCES webhook_endpoints (id),
  version integer NOT NULL CHECK (version > 0),
  secret_cipher bytea NOT NULL,
  key_id text NOT NULL,
  expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (endpoint_id, version)
);
GRANT SELECT, INSERT ON webhook_secrets TO malipo_app;
CALL grant_except('UPDATE', 'webhook_secrets', 'malipo_app', '{endpoint_id, version, created_at}');

-- One event on its way to one endpoint. A run is one workflow, which tries by the schedule; sending
-- it once more is another run.
CREATE TABLE deliveries (
  id text PRIMARY KEY,
  event_id text NOT NULL REFERENCES outgoing_events (id),
  endpoint_id text NOT NULL REFERENCES webhook_endpoints (id),
  merchant_id text NOT NULL,
  status text NOT NULL DEFAULT 'pending' CONSTRAINT deliveries_status_check CHECK (status IN (
    'pending', 'succeeded', 'failed', 'canceled')),
  -- The run that is wanted, and the last one that was started.
  run integer NOT NULL DEFAULT 1,
  dispatched_run integer NOT NULL DEFAULT 0,
  -- How often it was tried, in all and in this run. The schedule goes by the second. A try that a
  -- crash kept from being written down is in neither.
  attempt_count integer NOT NULL DEFAULT 0,
  run_attempts integer NOT NULL DEFAULT 0,
  -- A run that was started is tried, or tried again, before this time. If it is not, its workflow
  -- may be lost and is started again (worker/dispatcher.ts).
  overdue_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (event_id, endpoint_id)
);
CREATE INDEX deliveries_by_merchant ON deliveries (merchant_id, id DESC);
CREATE INDEX deliveries_by_endpoint ON deliveries (endpoint_id, status, id DESC);
-- Nearly all deliveries succeed.
CREATE INDEX deliveries_by_status ON deliveries (status, id DESC) WHERE status <> 'succeeded';
-- Deliveries are started in turns of merchants, then of endpoints (db/delivery-turns.ts).
CREATE INDEX deliveries_undispatched ON deliveries (merchant_id, endpoint_id, id)
  WHERE dispatched_run < run;
-- Those that wait for their first try; a merchant has few of them.
CREATE INDEX deliveries_before_first_try ON deliveries (merchant_id, endpoint_id, overdue_at)
  WHERE status = 'pending' AND dispatched_run = run AND run_attempts = 0;
CREATE INDEX deliveries_overdue ON deliveries (overdue_at)
  WHERE status = 'pending' AND dispatched_run = run;
GRANT SELECT, INSERT ON deliveries TO malipo_app;
CALL grant_except('UPDATE', 'deliveries', 'malipo_app',
  '{id, event_id, endpoint_id, merchant_id, created_at}');
CALL grant_except('SELECT', 'deliveries', 'malipo_report', '{}');

CREATE TABLE delivery_attempts (
  delivery_id text NOT NULL REFERENCES deliveries (id),
  ordinal integer NOT NULL CHECK (ordinal > 0),
  at timestamptz NOT NULL DEFAULT now(),
  duration_ms integer NOT NULL,
  status_code integer,
  error text,
  -- The first part of what the merchant's server answered.
  response text,
  PRIMARY KEY (delivery_id, ordinal)
);
GRANT SELECT, INSERT ON delivery_attempts TO malipo_app;
CALL grant_except('SELECT', 'delivery_attempts', 'malipo_report', '{response}');

-- An id as domain/id.ts makes them.
CREATE FUNCTION new_id(prefix text) RETURNS text LANGUAGE sql VOLATILE
SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT prefix || '_' || replace(uuidv7()::text, '-', '')
$$;

-- Writes an event, and a delivery for each endpoint that asked for its type. Events named *.updated
-- are for the live feed only: they are many, and a merchant need not act on them.
CREATE FUNCTION emit_event(merchant text, kind text, payment text, refund text, content jsonb)
RETURNS void LANGUAGE sql
SET search_path = pg_catalog, public, pg_temp AS $$
  WITH event AS (
    INSERT INTO outgoing_events (id, merchant_id, type, payment_id, refund_id, data)
    VALUES (new_id('msg'), merchant, kind, payment, refund, content)
    RETURNING id, type, merchant_id),
  delivery AS (
    INSERT INTO deliveries (id, event_id, endpoint_id, merchant_id)
    SELECT new_id('del'), e.id, w.id, e.merchant_id FROM event e JOIN webhook_endpoints w
      ON w.merchant_id = e.merchant_id AND w.active AND w.deleted_at IS NULL
      AND (w.event_types = '{}' OR e.type = ANY (w.event_types))
    WHERE e.type NOT LIKE '%.updated')
  SELECT pg_notify('malipo_event', merchant)
$$;

-- The dispute that counts now: the newest one that is open, else the newest. As `disputeInForce` in
-- domain/dispute.ts.
CREATE FUNCTION dispute_in_force(disputes jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT each FROM jsonb_array_elements(disputes) WITH ORDINALITY AS listed (each, place)
  ORDER BY each->>'status' = 'open' DESC, place DESC LIMIT 1
$$;

-- One change of a row may be several events: a change of status, a dispute, and money under another
-- id of the provider.
CREATE FUNCTION emit_payment_event() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  kinds text[] := '{}';
  kind text;
BEGIN
  IF TG_OP = 'INSERT' THEN
    kinds := '{created}';
  ELSE
    IF NEW.status <> OLD.status THEN kinds := kinds || NEW.status; END IF;
    IF NEW.disputes <> OLD.disputes THEN kinds := kinds || 'disputed'::text; END IF;
    IF NEW.unmatched_receipts <> OLD.unmatched_receipts THEN
      kinds := kinds || 'unmatched_receipt'::text;
    END IF;
    IF kinds = '{}' AND (NEW.waiting_for, NEW.wait_until, NEW.provider_payment_id,
        NEW.provider_receipt, NEW.next_action, NEW.attempt_ordinal, NEW.amount_captured,
        NEW.amount_refunded)
      IS DISTINCT FROM (OLD.waiting_for, OLD.wait_until, OLD.provider_payment_id,
        OLD.provider_receipt, OLD.next_action, OLD.attempt_ordinal, OLD.amount_captured,
        OLD.amount_refunded) THEN kinds := '{updated}';
    END IF;
  END IF;
  FOREACH kind IN ARRAY kinds LOOP
    PERFORM emit_event(NEW.merchant_id, 'payment.' || kind, NEW.id, NULL, jsonb_build_object(
      'id', NEW.id, 'object', 'payment', 'status', NEW.status, 'provider', NEW.provider,
      'amount', NEW.amount, 'currency', NEW.currency, 'amount_captured', NEW.amount_captured,
      'amount_refunded', NEW.amount_refunded, 'reference', NEW.reference,
      'failure_code', NEW.failure_code, 'review_reason', NEW.review_reason,
      'waiting_for', NEW.waiting_for, 'provider_receipt', NEW.provider_receipt,
      'dispute_status', dispute_in_force(NEW.disputes)->>'status', 'metadata', NEW.metadata));
  END LOOP;
  RETURN NULL;
END $$;
CREATE TRIGGER payments_emit AFTER INSERT OR UPDATE ON payments
  FOR EACH ROW EXECUTE FUNCTION emit_payment_event();

CREATE FUNCTION emit_refund_event() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE kind text;
BEGIN
  kind := CASE
    WHEN TG_OP = 'INSERT' THEN 'created'
    WHEN NEW.status <> OLD.status THEN NEW.status
    WHEN (NEW.waiting_for, NEW.wait_until, NEW.provider_refund_id, NEW.provider_receipt)
      IS DISTINCT FROM (OLD.waiting_for, OLD.wait_until, OLD.provider_refund_id,
        OLD.provider_receipt) THEN 'updated'
  END;
  IF kind IS NOT NULL THEN
    PERFORM emit_event(NEW.merchant_id, 'refund.' || kind, NEW.payment_id, NEW.id,
      jsonb_build_object(
        'id', NEW.id, 'object', 'refund', 'origin', NEW.origin, 'payment_id', NEW.payment_id,
        'status', NEW.status, 'amount', NEW.amount, 'currency', NEW.currency,
        'failure_code', NEW.failure_code, 'review_reason', NEW.review_reason,
        'waiting_for', NEW.waiting_for, 'provider_receipt', NEW.provider_receipt,
        'metadata', NEW.metadata));
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER refunds_emit AFTER INSERT OR UPDATE ON refunds
  FOR EACH ROW EXECUTE FUNCTION emit_refund_event();

-- When we switch an endpoint off, its merchant gets an event at its other endpoints.
CREATE FUNCTION emit_endpoint_event() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM emit_event(NEW.merchant_id, 'endpoint.disabled', NULL, NULL, jsonb_build_object(
    'id', NEW.id, 'object', 'webhook_endpoint', 'description', NEW.description,
    'disabled_reason', NEW.disabled_reason, 'failing_since',
    to_char(NEW.failing_since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')));
  RETURN NULL;
END $$;
CREATE TRIGGER webhook_endpoints_emit AFTER UPDATE ON webhook_endpoints
  FOR EACH ROW WHEN (OLD.active AND NOT NEW.active AND NEW.disabled_reason IS NOT NULL)
  EXECUTE FUNCTION emit_endpoint_event();


-- 6  Operators -----------------------------------------------------------------------------------

CREATE TABLE operators (
  id text PRIMARY KEY,
  email text NOT NULL UNIQUE CHECK (email = lower(email)),
  name text NOT NULL,
  role text NOT NULL CONSTRAINT operators_role_check CHECK (role IN (
    'viewer', 'operator', 'admin')),
  active boolean NOT NULL DEFAULT true,
  password_hash text NOT NULL,
  -- Who chose the password and so knows it: an operator, `cli` for `npm run admin`, which may be
  -- anybody; null: the operator itself. Two operators count as two only where neither may be signed
  -- in as the other (db/proposals.ts).
  password_set_by text,
  password_set_at timestamptz NOT NULL DEFAULT now(),
  -- All who ever chose an earlier password of this operator, and until when the last of those was
  -- valid. All, not only the last: an admin who made a second account for itself must not be
  -- forgotten because another admin has set that account's password since.
  former_password_set_by text[] NOT NULL DEFAULT '{}',
  former_password_until timestamptz,
  last_signed_in_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT ON operators TO malipo_app;
CALL grant_except('UPDATE', 'operators', 'malipo_app', '{id, email, created_at}');

-- Sessions of operators. A refresh token is exchanged once for the next one of its family, which is
-- the session. A token that is used twice was stolen: all of its family is revoked.
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
CREATE TRIGGER refresh_tokens_once BEFORE UPDATE OF used_at, revoked_at ON refresh_tokens
  FOR EACH ROW EXECUTE FUNCTION refuse_second_value('used_at', 'revoked_at');
GRANT SELECT, INSERT ON refresh_tokens TO malipo_app;
CALL grant_except('UPDATE', 'refresh_tokens', 'malipo_app',
  '{hash, operator_id, family, created_at}');

-- The activity log of operators. The row is written before the act, so that no act is without a
-- row; the status of the response is added after it.
CREATE TABLE operator_activity (
  id text PRIMARY KEY,
  operator_id text NOT NULL,
  email text NOT NULL,
  -- Null for a sign-in under an address that is nobody's, and for `npm run admin`.
  role text,
  action text NOT NULL,
  -- The id of what it is about.
  target text,
  details jsonb NOT NULL DEFAULT '{}',
  request_id text NOT NULL,
  remote_address text NOT NULL,
  user_agent text,
  status smallint,
  at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX operator_activity_by_target ON operator_activity (target, id);
CREATE TRIGGER operator_activity_append_only BEFORE DELETE OR TRUNCATE ON operator_activity
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER operator_activity_once BEFORE UPDATE OF status ON operator_activity
  FOR EACH ROW EXECUTE FUNCTION refuse_second_value('status');
GRANT SELECT, INSERT, UPDATE (status) ON operator_activity TO malipo_app;

-- What operators decide about payments and refunds in review, and all other requests that take two
-- operators. A row without `confirmed_by` waits for the second one.
CREATE TABLE decisions (
  id text PRIMARY KEY,
  subject_id text NOT NULL,
  -- The operation's id, or `decision`.
  action text NOT NULL DEFAULT 'decision',
  decision text CONSTRAINT decisions_decision_check CHECK (decision IN (
    'succeeded', 'failed', 'canceled')),
  receipt text,
  amount bigint CHECK (amount > 0),
  -- What makes two requests the same, where that is not the decision: a keyed hash, since a request
  -- may hold secrets. The summary, without secrets, is what the second operator reads.
  fingerprint text,
  CONSTRAINT decisions_can_be_compared CHECK (
    CASE WHEN action = 'decision' THEN decision ELSE fingerprint END IS NOT NULL),
  summary jsonb NOT NULL DEFAULT '{}',
  reason text NOT NULL,
  proposed_by text NOT NULL,
  confirmed_by text,
  -- When the second one agreed. An agreement that could not be carried out counts again, as long as
  -- its subject has not changed since.
  confirmed_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX decisions_by_subject ON decisions (subject_id, id DESC);
CREATE INDEX decisions_awaiting ON decisions (id DESC) WHERE confirmed_by IS NULL;
CREATE TRIGGER decisions_once BEFORE UPDATE ON decisions
  FOR EACH ROW EXECUTE FUNCTION refuse_second_value('confirmed_by', 'confirmed_at');
GRANT SELECT, INSERT, UPDATE (confirmed_by, confirmed_at) ON decisions TO malipo_app;
CALL grant_except('SELECT', 'decisions', 'malipo_report', '{}');


-- 7  Housekeeping --------------------------------------------------------------------------------

-- When each half of the sweeper last ended a round: each process can see how late the sweeper is.
CREATE TABLE sweep_rounds (
  part text PRIMARY KEY CONSTRAINT sweep_rounds_part_check CHECK (part IN (
    'unstarted', 'undelivered')),
  ended_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON sweep_rounds TO malipo_app;

-- The columns are rate-limiter-flexible's. Counters may be lost in a crash of the server.
CREATE UNLOGGED TABLE rate_limits (
  key varchar(255) PRIMARY KEY,
  points integer NOT NULL DEFAULT 0,
  expire bigint
);
GRANT SELECT, INSERT, UPDATE, DELETE ON rate_limits TO malipo_app;

DROP PROCEDURE grant_except;
