-- How often an operator had a callback judged anew. Each time it is told under another id, since
-- what was told once is not heard again.
ALTER TABLE webhook_events ADD COLUMN replay_count integer NOT NULL DEFAULT 0;
