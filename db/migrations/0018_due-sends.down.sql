ALTER TABLE attempts DROP COLUMN due_at;
