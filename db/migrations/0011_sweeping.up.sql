-- When the sweeper last looked at a row: what was looked at goes to the end of its queue, so that
-- no number of quiet ones hides another (db/sweep.ts).
ALTER TABLE payments ADD COLUMN swept_at timestamptz;
ALTER TABLE refunds ADD COLUMN swept_at timestamptz;
ALTER TABLE webhook_events ADD COLUMN swept_at timestamptz;

CREATE INDEX payments_to_sweep ON payments (status, (coalesce(swept_at, updated_at)))
  WHERE status IN ('created', 'processing', 'requires_action', 'authorized', 'needs_review');
DROP INDEX refunds_open;
CREATE INDEX refunds_to_sweep ON refunds (status, (coalesce(swept_at, updated_at)))
  WHERE status IN ('pending', 'needs_review');
DROP INDEX webhook_events_undelivered;
CREATE INDEX webhook_events_to_deliver ON webhook_events ((coalesce(swept_at, received_at)))
  WHERE status = 'received';
CREATE INDEX webhook_events_parked_disputes ON webhook_events (received_at)
  WHERE status = 'parked' AND event->>'kind' = 'dispute';
