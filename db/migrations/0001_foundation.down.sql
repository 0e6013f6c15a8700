DROP TABLE webhook_events, audit_entries, attempts, payments, api_keys, merchants;
DROP FUNCTION chain_audit_entry, refuse_audit_change;
