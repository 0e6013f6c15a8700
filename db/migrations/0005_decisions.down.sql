DROP INDEX webhook_events_by_status;
DROP INDEX payments_in_review;
DROP TABLE decisions;
