DROP INDEX webhook_events_parked_disputes;
DROP INDEX webhook_events_to_deliver;
CREATE INDEX webhook_events_undelivered ON webhook_events (received_at) WHERE status = 'received';
DROP INDEX refunds_to_sweep;
CREATE INDEX refunds_open ON refunds (updated_at) WHERE status IN ('pending', 'needs_review');
DROP INDEX payments_to_sweep;
ALTER TABLE webhook_events DROP COLUMN swept_at;
ALTER TABLE refunds DROP COLUMN swept_at;
ALTER TABLE payments DROP COLUMN swept_at;
