-- A refund is made with the newest credentials of the account that took the money, and keeps them.

-- Whose credentials a version is: what stays when only secrets change.
ALTER TABLE provider_credentials ADD COLUMN account text;
UPDATE provider_credentials k SET account = concat_ws(' ', c.environment, k.shown->>'short_code')
  FROM provider_configs c WHERE c.id = k.config_id;
ALTER TABLE provider_credentials ALTER COLUMN account SET NOT NULL;

ALTER TABLE refunds ADD COLUMN credentials_ref text;
UPDATE refunds r SET credentials_ref = p.credentials_ref FROM payments p WHERE p.id = r.payment_id;
ALTER TABLE refunds ALTER COLUMN credentials_ref SET NOT NULL;
