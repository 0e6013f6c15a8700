-- What support staff type in small letters is the same receipt or reference. A merchant's own
-- list compares references to the letter, by payments_by_reference.
DROP INDEX payments_by_receipt;
CREATE INDEX payments_by_receipt ON payments (lower(provider_receipt), id DESC)
  WHERE provider_receipt IS NOT NULL;
DROP INDEX payments_by_any_reference;
CREATE INDEX payments_by_any_reference ON payments (lower(reference), id DESC);
