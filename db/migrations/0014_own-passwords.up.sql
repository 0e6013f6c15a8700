-- Whose word counts as a second one, and for how long a word of two is good.

-- Who set an operator's password keeps knowing it until the operator sets its own. Those of
-- `npm run admin`, and all of before this was kept, may be known to somebody: `cli`. Null: its own.
UPDATE operators SET password_set_by = 'cli' WHERE password_set_by IS NULL;
-- The last one who set it for the operator, and until when that one knew it.
ALTER TABLE operators ADD COLUMN former_password_set_by text;
ALTER TABLE operators ADD COLUMN former_password_until timestamptz;

-- A word of two that could not be carried out is good again while nothing has changed since.
ALTER TABLE decisions ADD COLUMN confirmed_at timestamptz;
GRANT UPDATE (confirmed_at) ON decisions TO malipo_app;
