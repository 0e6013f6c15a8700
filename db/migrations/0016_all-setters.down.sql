ALTER TABLE operators ALTER COLUMN former_password_set_by DROP NOT NULL,
  ALTER COLUMN former_password_set_by DROP DEFAULT;
ALTER TABLE operators ALTER COLUMN former_password_set_by TYPE text
  USING former_password_set_by[cardinality(former_password_set_by)];
