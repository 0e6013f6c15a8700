DROP INDEX refunds_to_look_back;
DROP INDEX payments_to_look_back;
ALTER TABLE refunds DROP COLUMN look_back_at, DROP COLUMN look_back_count;
ALTER TABLE payments DROP COLUMN look_back_at, DROP COLUMN look_back_count;
