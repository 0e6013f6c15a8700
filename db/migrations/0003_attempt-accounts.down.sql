ALTER TABLE webhook_events DROP COLUMN account;
DROP INDEX attempts_by_provider_id;
ALTER TABLE attempts DROP COLUMN credentials_ref;
