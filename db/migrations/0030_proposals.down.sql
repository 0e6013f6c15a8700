DROP INDEX decisions_awaiting;
-- What is no decision is no more than a request that waits for a second, or a note of one.
DELETE FROM decisions WHERE action <> 'decision';
ALTER TABLE decisions DROP COLUMN action, DROP COLUMN fingerprint, DROP COLUMN summary;
ALTER TABLE decisions ALTER COLUMN decision SET NOT NULL;
