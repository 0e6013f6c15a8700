DROP INDEX refunds_one_receipt;
ALTER TABLE refunds DROP COLUMN receipt_is_shared;
DROP INDEX payments_one_receipt;
ALTER TABLE payments DROP COLUMN receipt_is_shared;
