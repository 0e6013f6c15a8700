-- How often the current run was tried, which is what the schedule goes by. A try that a crash kept
-- from being written down is not among them.
ALTER TABLE deliveries ADD COLUMN run_attempts integer NOT NULL DEFAULT 0;
UPDATE deliveries SET run_attempts = attempt_count WHERE status = 'pending' AND run = 1;

-- Each endpoint's turn to be dispatched is found for itself (db/delivery-runs.ts).
DROP INDEX deliveries_undispatched;
CREATE INDEX deliveries_undispatched ON deliveries (endpoint_id, id) WHERE dispatched_run < run;

-- A recovery walks through a merchant's events from a time on.
CREATE INDEX outgoing_events_by_merchant_id ON outgoing_events (merchant_id, id);

-- An endpoint that we switched off ourselves: its merchant hears of it at the other endpoints. One
-- that its merchant switched off has no reason.
CREATE FUNCTION emit_endpoint_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM emit_event(NEW.merchant_id, 'endpoint.disabled', NULL, NULL, jsonb_build_object(
    'id', NEW.id, 'object', 'webhook_endpoint', 'description', NEW.description,
    'disabled_reason', NEW.disabled_reason, 'failing_since',
    to_char(NEW.failing_since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')));
  RETURN NULL;
END $$;
CREATE TRIGGER webhook_endpoints_emit AFTER UPDATE ON webhook_endpoints
  FOR EACH ROW WHEN (OLD.active AND NOT NEW.active AND NEW.disabled_reason IS NOT NULL)
  EXECUTE FUNCTION emit_endpoint_event();
