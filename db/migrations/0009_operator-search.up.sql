-- What operators search by, over all merchants.

CREATE INDEX audit_entries_by_time ON audit_entries (at, id);
CREATE INDEX audit_entries_by_action ON audit_entries (action, at, id);
-- People and the sweeper write few of the entries.
CREATE INDEX audit_entries_by_rare_actor ON audit_entries (actor, at, id)
  WHERE actor IN ('operator', 'sweeper');

-- Payments that a status query brought to their end, and the end; db/statistics.ts asks by the same
-- words.
CREATE INDEX audit_entries_rescued ON audit_entries (payment_id, to_status)
  WHERE action = 'payment.settled' AND to_status IN ('succeeded', 'failed', 'canceled')
    AND key ~ '(^|/)(lookup|review|verify)(/|$)' AND from_status <> to_status;

-- Nearly all deliveries succeed.
CREATE INDEX deliveries_by_status ON deliveries (status, id DESC) WHERE status <> 'succeeded';

CREATE INDEX refunds_in_review ON refunds (id) WHERE status = 'needs_review';
