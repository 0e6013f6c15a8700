DROP TRIGGER payments_emit ON payments;
DROP TRIGGER refunds_emit ON refunds;
DROP FUNCTION emit_payment_event, emit_refund_event, emit_event, new_id;
DROP TABLE delivery_attempts, deliveries, webhook_secrets, webhook_endpoints, outgoing_events;
