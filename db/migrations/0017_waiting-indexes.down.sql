CREATE INDEX payments_open ON payments (status, updated_at)
  WHERE status IN ('created', 'processing', 'requires_action', 'authorized', 'needs_review');
DROP INDEX refunds_pending;
DROP INDEX payments_waiting;
