DROP INDEX payments_by_any_reference;
CREATE INDEX payments_by_any_reference ON payments (reference, id DESC);
DROP INDEX payments_by_receipt;
CREATE INDEX payments_by_receipt ON payments (provider_receipt, id DESC)
  WHERE provider_receipt IS NOT NULL;
