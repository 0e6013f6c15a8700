ALTER TABLE refunds DROP COLUMN credentials_ref;
ALTER TABLE provider_credentials DROP COLUMN account;
