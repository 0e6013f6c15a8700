DROP TABLE provider_credentials, provider_configs, refunds;
DROP INDEX payments_by_provider_id;
ALTER TABLE payments
  DROP CONSTRAINT payments_refunds_within_captured,
  DROP COLUMN dispute,
  DROP COLUMN amount_reserved;
