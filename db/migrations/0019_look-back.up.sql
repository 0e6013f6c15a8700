-- When a payment or refund that ended without money is asked about once more, and how often it was:
-- a callback may have been lost, and a status query may have said no too early (ADR 0018).
ALTER TABLE payments ADD COLUMN look_back_at timestamptz,
  ADD COLUMN look_back_count smallint NOT NULL DEFAULT 0;
ALTER TABLE refunds ADD COLUMN look_back_at timestamptz,
  ADD COLUMN look_back_count smallint NOT NULL DEFAULT 0;
CREATE INDEX payments_to_look_back ON payments (look_back_at) WHERE look_back_at IS NOT NULL;
CREATE INDEX refunds_to_look_back ON refunds (look_back_at) WHERE look_back_at IS NOT NULL;
