-- Money that moves at the provider past us: refunds made in its dashboard, and every dispute.

-- Such a refund has no key of the merchant's: the provider's id of it makes it unique.
ALTER TABLE refunds
  ADD COLUMN origin text NOT NULL DEFAULT 'malipo'
    CONSTRAINT refunds_origin_check CHECK (origin IN ('malipo', 'provider')),
  ALTER COLUMN idempotency_key DROP NOT NULL,
  ALTER COLUMN fingerprint DROP NOT NULL,
  ADD CONSTRAINT refunds_ours_have_keys CHECK (
    CASE origin WHEN 'malipo' THEN idempotency_key IS NOT NULL AND fingerprint IS NOT NULL
      ELSE provider_refund_id IS NOT NULL END);
CREATE UNIQUE INDEX refunds_made_at_provider ON refunds (payment_id, provider_refund_id)
  WHERE origin = 'provider';

-- All disputes of a payment, in the order in which we heard of them.
ALTER TABLE payments
  ADD COLUMN disputes jsonb NOT NULL DEFAULT '[]',
  ADD COLUMN amount_disputed bigint NOT NULL DEFAULT 0 CHECK (amount_disputed >= 0);
UPDATE payments SET disputes = jsonb_build_array(dispute),
  amount_disputed = CASE WHEN dispute->>'status' <> 'lost' THEN 0
    WHEN coalesce(dispute->>'currency', currency) = currency THEN greatest(0, least(
      (dispute->>'amountMinor')::bigint, amount_captured - amount_refunded - amount_reserved))
    ELSE amount_captured - amount_refunded - amount_reserved END
  WHERE dispute IS NOT NULL;
ALTER TABLE payments
  DROP COLUMN dispute,
  DROP CONSTRAINT payments_refunds_within_captured,
  -- What lost disputes took cannot be given back a second time.
  ADD CONSTRAINT payments_refunds_within_captured
    CHECK (amount_refunded + amount_reserved + amount_disputed <= amount_captured);

DROP INDEX webhook_events_parked_disputes;
CREATE INDEX webhook_events_parked_money ON webhook_events (received_at)
  WHERE status = 'parked' AND event->>'kind' IN ('dispute', 'provider_refund');

-- The dispute that counts now: the newest one that is open, else the newest.
CREATE FUNCTION dispute_in_force(disputes jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT each FROM jsonb_array_elements(disputes) WITH ORDINALITY AS told (each, place)
  ORDER BY each->>'status' = 'open' DESC, place DESC LIMIT 1
$$;

-- One change may be several events: a change of status hides neither money beside the payment's
-- own nor a dispute.
CREATE OR REPLACE FUNCTION emit_payment_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  kinds text[] := '{}';
  kind text;
BEGIN
  IF TG_OP = 'INSERT' THEN
    kinds := '{created}';
  ELSE
    IF NEW.status <> OLD.status THEN kinds := kinds || NEW.status; END IF;
    IF NEW.disputes <> OLD.disputes THEN kinds := kinds || 'disputed'::text; END IF;
    IF NEW.surplus <> OLD.surplus THEN kinds := kinds || 'surplus'::text; END IF;
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

CREATE OR REPLACE FUNCTION emit_refund_event() RETURNS trigger LANGUAGE plpgsql AS $$
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
