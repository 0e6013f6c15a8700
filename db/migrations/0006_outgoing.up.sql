-- What happened, for merchants: one row for each visible change, written by a trigger so that no
-- code path can forget it, in the transaction of the change. Readers order by (tx, position) and
-- read only what can have no earlier row in flight (db/outgoing-events.ts).

CREATE TABLE outgoing_events (
  id text PRIMARY KEY,
  position bigint GENERATED ALWAYS AS IDENTITY,
  tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
  merchant_id text NOT NULL REFERENCES merchants (id),
  type text NOT NULL,
  payment_id text REFERENCES payments (id),
  refund_id text REFERENCES refunds (id),
  endpoint_id text,
  data jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX outgoing_events_in_order ON outgoing_events (tx, position);
CREATE INDEX outgoing_events_by_merchant ON outgoing_events (merchant_id, tx, position);

CREATE TABLE webhook_endpoints (
  id text PRIMARY KEY,
  merchant_id text NOT NULL REFERENCES merchants (id),
  url text NOT NULL,
  description text,
  event_types text[] NOT NULL DEFAULT '{}',
  active boolean NOT NULL DEFAULT true,
  disabled_reason text,
  failing_since timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz
);
CREATE INDEX webhook_endpoints_by_merchant ON webhook_endpoints (merchant_id, id);

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

CREATE TABLE deliveries (
  id text PRIMARY KEY,
  event_id text NOT NULL REFERENCES outgoing_events (id),
  endpoint_id text NOT NULL REFERENCES webhook_endpoints (id),
  merchant_id text NOT NULL,
  status text NOT NULL DEFAULT 'pending' CONSTRAINT deliveries_status_check CHECK (status IN (
    'pending', 'succeeded', 'failed', 'canceled')),
  run integer NOT NULL DEFAULT 1,
  dispatched_run integer NOT NULL DEFAULT 0,
  attempt_count integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (event_id, endpoint_id)
);
CREATE INDEX deliveries_undispatched ON deliveries (id) WHERE dispatched_run < run;
CREATE INDEX deliveries_by_merchant ON deliveries (merchant_id, id DESC);
CREATE INDEX deliveries_by_endpoint ON deliveries (endpoint_id, status, id DESC);

CREATE TABLE delivery_attempts (
  delivery_id text NOT NULL REFERENCES deliveries (id),
  ordinal integer NOT NULL CHECK (ordinal > 0),
  at timestamptz NOT NULL DEFAULT now(),
  duration_ms integer NOT NULL,
  status_code integer,
  error text,
  response text,
  PRIMARY KEY (delivery_id, ordinal)
);

GRANT SELECT, INSERT, UPDATE ON webhook_endpoints, webhook_secrets, deliveries TO malipo_app;
GRANT SELECT, INSERT ON outgoing_events, delivery_attempts TO malipo_app;

-- An id as domain/id.ts makes them: time first, so that they sort.
CREATE FUNCTION new_id(prefix text) RETURNS text LANGUAGE sql VOLATILE AS $$
  SELECT prefix || '_' || replace(uuidv7()::text, '-', '')
$$;

CREATE FUNCTION emit_event(merchant text, kind text, payment text, refund text, told jsonb)
RETURNS void LANGUAGE sql AS $$
  WITH event AS (
    INSERT INTO outgoing_events (id, merchant_id, type, payment_id, refund_id, data)
    VALUES (new_id('msg'), merchant, kind, payment, refund, told) RETURNING id, type, merchant_id),
  delivery AS (
    INSERT INTO deliveries (id, event_id, endpoint_id, merchant_id)
    SELECT new_id('del'), e.id, w.id, e.merchant_id FROM event e JOIN webhook_endpoints w
      ON w.merchant_id = e.merchant_id AND w.active AND w.deleted_at IS NULL
      AND (w.event_types = '{}' OR e.type = ANY (w.event_types))
    WHERE e.type NOT LIKE '%.updated')
  SELECT pg_notify('malipo_event', merchant)
$$;

-- Nothing personal: a merchant reads the payment itself for more.
CREATE FUNCTION emit_payment_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE kind text;
BEGIN
  kind := CASE
    WHEN TG_OP = 'INSERT' THEN 'created'
    WHEN NEW.status <> OLD.status THEN NEW.status
    WHEN NEW.dispute IS DISTINCT FROM OLD.dispute THEN 'disputed'
    WHEN (NEW.waiting_for, NEW.wait_until, NEW.provider_payment_id, NEW.provider_receipt,
        NEW.next_action, NEW.attempt_ordinal, NEW.amount_captured, NEW.amount_refunded)
      IS DISTINCT FROM (OLD.waiting_for, OLD.wait_until, OLD.provider_payment_id,
        OLD.provider_receipt, OLD.next_action, OLD.attempt_ordinal, OLD.amount_captured,
        OLD.amount_refunded) THEN 'updated'
  END;
  IF kind IS NOT NULL THEN
    PERFORM emit_event(NEW.merchant_id, 'payment.' || kind, NEW.id, NULL, jsonb_build_object(
      'id', NEW.id, 'object', 'payment', 'status', NEW.status, 'provider', NEW.provider,
      'amount', NEW.amount, 'currency', NEW.currency, 'amount_captured', NEW.amount_captured,
      'amount_refunded', NEW.amount_refunded, 'reference', NEW.reference,
      'failure_code', NEW.failure_code, 'review_reason', NEW.review_reason,
      'waiting_for', NEW.waiting_for, 'provider_receipt', NEW.provider_receipt,
      'dispute_status', NEW.dispute->>'status', 'metadata', NEW.metadata));
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER payments_emit AFTER INSERT OR UPDATE ON payments
  FOR EACH ROW EXECUTE FUNCTION emit_payment_event();

CREATE FUNCTION emit_refund_event() RETURNS trigger LANGUAGE plpgsql AS $$
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
        'id', NEW.id, 'object', 'refund', 'payment_id', NEW.payment_id, 'status', NEW.status,
        'amount', NEW.amount, 'currency', NEW.currency, 'failure_code', NEW.failure_code,
        'review_reason', NEW.review_reason, 'waiting_for', NEW.waiting_for,
        'provider_receipt', NEW.provider_receipt, 'metadata', NEW.metadata));
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER refunds_emit AFTER INSERT OR UPDATE ON refunds
  FOR EACH ROW EXECUTE FUNCTION emit_refund_event();
