DROP INDEX api_keys_live;
DROP INDEX api_keys_by_creator;
