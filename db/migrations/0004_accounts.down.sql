DROP TABLE rate_limits, operator_acts, refresh_tokens, operators;
DROP INDEX api_keys_by_merchant;
ALTER TABLE api_keys DROP COLUMN name, DROP COLUMN created_by;
ALTER TABLE merchants DROP COLUMN active;
