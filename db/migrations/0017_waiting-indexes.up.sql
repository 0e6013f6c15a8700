-- What is stuck is listed oldest first, so by id: of the open rows only, however many have ended.
CREATE INDEX payments_waiting ON payments (id)
  WHERE status IN ('created', 'processing', 'requires_action', 'authorized');
CREATE INDEX refunds_pending ON refunds (id) WHERE status = 'pending';
-- Holds the same rows as payments_to_sweep, in an order that nobody asks for any more.
DROP INDEX payments_open;
