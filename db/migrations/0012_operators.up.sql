-- What is kept of operators, and what they search by over all merchants.

-- A sign-in under an address that is nobody's, and `npm run admin`, have no role.
ALTER TABLE operator_acts ALTER COLUMN role DROP NOT NULL;

-- Who knows an operator's password beside itself, and since when: two operators count as two only
-- where neither may be signed in as the other (db/decisions.ts). Null: not an operator.
ALTER TABLE operators ADD COLUMN password_set_by text;
ALTER TABLE operators ADD COLUMN password_set_at timestamptz NOT NULL DEFAULT now();

-- What a payer or a provider names a payment by, over all merchants, newest first.
CREATE INDEX payments_by_any_phone ON payments (phone_hash, id DESC) WHERE phone_hash IS NOT NULL;
CREATE INDEX payments_by_any_email ON payments (email_hash, id DESC) WHERE email_hash IS NOT NULL;
CREATE INDEX payments_by_any_reference ON payments (reference, id DESC);
CREATE INDEX payments_by_customer ON payments (customer_id, id DESC) WHERE customer_id IS NOT NULL;
CREATE INDEX payments_by_receipt ON payments (provider_receipt, id DESC)
  WHERE provider_receipt IS NOT NULL;
CREATE INDEX payments_by_amount ON payments (amount, id DESC);
CREATE INDEX attempts_by_any_provider_id ON attempts (provider_payment_id)
  WHERE provider_payment_id IS NOT NULL;
