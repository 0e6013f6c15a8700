ALTER TABLE decisions DROP COLUMN confirmed_at;
ALTER TABLE operators DROP COLUMN former_password_until;
ALTER TABLE operators DROP COLUMN former_password_set_by;
-- Until 0014 null stood for all that no operator had set.
UPDATE operators SET password_set_by = NULL WHERE password_set_by = 'cli';
