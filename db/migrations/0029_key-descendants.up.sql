-- A key is revoked together with what it made, and a merchant has a limited number of good keys.
CREATE INDEX api_keys_by_creator ON api_keys (created_by, merchant_id) WHERE created_by IS NOT NULL;
CREATE INDEX api_keys_live ON api_keys (merchant_id, id DESC) WHERE revoked_at IS NULL;
