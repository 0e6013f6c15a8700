DROP TABLE provider_credentials, provider_configs, refunds;
DROP INDEX payments_by_provider_id;
ALTER TABLE attempts DROP COLUMN provider;
ALTER TABLE payments
  DROP CONSTRAINT payments_refunds_within_captured,
  DROP COLUMN fallbacks,
  DROP COLUMN attempt_ordinal,
  DROP COLUMN dispute,
  DROP COLUMN amount_reserved;
