-- A receipt stands for money that moved once: one payment, or one refund, of an account is done by
-- it. The processes ask before they write; these indexes hold whatever they do.

-- Rows that had one receipt before keep it. All but the first of them are marked, so that the index
-- can be made, and stay for people to look at.
ALTER TABLE payments ADD COLUMN receipt_is_shared boolean NOT NULL DEFAULT false;
UPDATE payments p SET receipt_is_shared = true
  WHERE provider_receipt IS NOT NULL AND status IN ('authorized', 'succeeded') AND EXISTS (
    SELECT FROM payments e
    WHERE e.provider = p.provider AND e.provider_receipt = p.provider_receipt AND e.id < p.id
      AND split_part(e.credentials_ref, '@', 1) = split_part(p.credentials_ref, '@', 1)
      AND e.status IN ('authorized', 'succeeded'));
CREATE UNIQUE INDEX payments_one_receipt
  ON payments (provider, split_part(credentials_ref, '@', 1), provider_receipt)
  WHERE provider_receipt IS NOT NULL AND NOT receipt_is_shared
    AND status IN ('authorized', 'succeeded');

-- A refund's account names its provider.
ALTER TABLE refunds ADD COLUMN receipt_is_shared boolean NOT NULL DEFAULT false;
UPDATE refunds r SET receipt_is_shared = true
  WHERE provider_receipt IS NOT NULL AND status = 'succeeded' AND EXISTS (
    SELECT FROM refunds e
    WHERE e.provider_receipt = r.provider_receipt AND e.id < r.id AND e.status = 'succeeded'
      AND split_part(e.credentials_ref, '@', 1) = split_part(r.credentials_ref, '@', 1));
CREATE UNIQUE INDEX refunds_one_receipt
  ON refunds (split_part(credentials_ref, '@', 1), provider_receipt)
  WHERE provider_receipt IS NOT NULL AND NOT receipt_is_shared AND status = 'succeeded';
