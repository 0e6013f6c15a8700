-- Until then a delivery that was started shows a sign of life: its try, or the next one. One that
-- shows none is overdue: its workflow may be lost, and is started again (worker/dispatcher.ts).
ALTER TABLE deliveries ADD COLUMN overdue_at timestamptz;
UPDATE deliveries SET overdue_at = now() + CASE WHEN run_attempts = 0 THEN interval '10 minutes'
  ELSE interval '25 hours' END
WHERE status = 'pending' AND dispatched_run = run;

-- Deliveries are started by turns of merchants, then of endpoints (db/delivery-turns.ts).
DROP INDEX deliveries_undispatched;
CREATE INDEX deliveries_undispatched ON deliveries (merchant_id, endpoint_id, id)
  WHERE dispatched_run < run;
-- Those that wait for their first try; a merchant has few of them.
CREATE INDEX deliveries_before_first_try ON deliveries (merchant_id, endpoint_id, overdue_at)
  WHERE status = 'pending' AND dispatched_run = run AND run_attempts = 0;
CREATE INDEX deliveries_overdue ON deliveries (overdue_at)
  WHERE status = 'pending' AND dispatched_run = run;
