-- Money that comes late or beside what was asked: refunds that give back more than was taken,
-- charges that were paid as well, and decisions that name an amount.

-- The part of a refund that goes beyond the money that was taken; only the rest of it counts in the
-- payment's sums.
ALTER TABLE refunds ADD COLUMN amount_over bigint NOT NULL DEFAULT 0
  CONSTRAINT refunds_over_within_amount CHECK (amount_over BETWEEN 0 AND amount);

-- What a provider holds or took under another of its ids than the payment's own.
ALTER TABLE payments ADD COLUMN surplus jsonb NOT NULL DEFAULT '[]';
CREATE INDEX payments_with_open_surplus ON payments (id)
  WHERE surplus @> '[{"status": "open"}]';

ALTER TABLE decisions ADD COLUMN amount bigint CHECK (amount > 0);

CREATE OR REPLACE FUNCTION emit_payment_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE kind text;
BEGIN
  kind := CASE
    WHEN TG_OP = 'INSERT' THEN 'created'
    WHEN NEW.status <> OLD.status THEN NEW.status
    WHEN NEW.dispute IS DISTINCT FROM OLD.dispute THEN 'disputed'
    WHEN NEW.surplus <> OLD.surplus THEN 'surplus'
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
