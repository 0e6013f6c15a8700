CREATE OR REPLACE FUNCTION emit_payment_event() RETURNS trigger LANGUAGE plpgsql AS $$
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
ALTER TABLE decisions DROP COLUMN amount;
DROP INDEX payments_with_open_surplus;
ALTER TABLE payments DROP COLUMN surplus;
ALTER TABLE refunds DROP COLUMN amount_over;
