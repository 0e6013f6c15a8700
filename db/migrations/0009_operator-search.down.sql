DROP INDEX refunds_in_review;
DROP INDEX deliveries_by_status;
DROP INDEX audit_entries_rescued;
DROP INDEX audit_entries_by_rare_actor;
DROP INDEX audit_entries_by_action;
DROP INDEX audit_entries_by_time;
