DROP TRIGGER webhook_endpoints_emit ON webhook_endpoints;
DROP FUNCTION emit_endpoint_event;
DROP INDEX outgoing_events_by_merchant_id;
DROP INDEX deliveries_undispatched;
CREATE INDEX deliveries_undispatched ON deliveries (id) WHERE dispatched_run < run;
ALTER TABLE deliveries DROP COLUMN run_attempts;
