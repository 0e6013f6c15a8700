-- What operators decide about payments and refunds in review. Above an amount two have to agree: a
-- row without confirmed_by waits for the second.
CREATE TABLE decisions (
  id text PRIMARY KEY,
  subject_id text NOT NULL,
  decision text NOT NULL CONSTRAINT decisions_decision_check CHECK (decision IN (
    'succeeded', 'failed', 'canceled')),
  receipt text,
  reason text NOT NULL,
  proposed_by text NOT NULL,
  confirmed_by text,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX decisions_by_subject ON decisions (subject_id, id DESC);
GRANT SELECT, INSERT, UPDATE (confirmed_by) ON decisions TO malipo_app;

CREATE INDEX payments_in_review ON payments (id DESC) WHERE status = 'needs_review';
CREATE INDEX webhook_events_by_status ON webhook_events (status, id DESC);
