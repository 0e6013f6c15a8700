ALTER TABLE webhook_events DROP COLUMN replay_count;
