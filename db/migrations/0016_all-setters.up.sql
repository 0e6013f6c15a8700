-- All who ever set an operator's password, not the last one alone: the maker of a puppet must not
-- be forgotten because an honest admin set it since. `former_password_until` is of them all.
ALTER TABLE operators ALTER COLUMN former_password_set_by TYPE text[]
  USING array_remove(ARRAY[former_password_set_by], NULL);
ALTER TABLE operators ALTER COLUMN former_password_set_by SET DEFAULT '{}',
  ALTER COLUMN former_password_set_by SET NOT NULL;
