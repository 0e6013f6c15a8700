-- Whose account an attempt was sent with, and whose account a signed callback speaks for: a
-- provider's word counts for payments of that account only.

ALTER TABLE attempts ADD COLUMN credentials_ref text;
UPDATE attempts a SET credentials_ref = p.credentials_ref FROM payments p WHERE p.id = a.payment_id;
ALTER TABLE attempts ALTER COLUMN credentials_ref SET NOT NULL;
CREATE INDEX attempts_by_provider_id ON attempts (provider, provider_payment_id)
  WHERE provider_payment_id IS NOT NULL;

-- Null where a token in the address named the payment.
ALTER TABLE webhook_events ADD COLUMN account text;
