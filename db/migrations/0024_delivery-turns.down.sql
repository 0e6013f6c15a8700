DROP INDEX deliveries_overdue;
DROP INDEX deliveries_before_first_try;
DROP INDEX deliveries_undispatched;
CREATE INDEX deliveries_undispatched ON deliveries (endpoint_id, id) WHERE dispatched_run < run;
ALTER TABLE deliveries DROP COLUMN overdue_at;
