-- What is evidence stays as it was written: who asked for what, for how much, when, and what came
-- in from where. The application writes these columns once, with the row, and may not change them.
-- A column added later is closed until its migration grants it: a test lists them all.
DO $$
DECLARE
  evidence CONSTANT jsonb := '{
    "merchants": ["id", "created_at"],
    "api_keys": ["id", "merchant_id", "prefix", "hash", "scopes", "created_by", "created_at"],
    "payments": ["id", "merchant_id", "workflow_id", "amount", "currency", "created_at"],
    "attempts": ["id", "payment_id", "ordinal", "provider", "credentials_ref", "created_at"],
    "refunds": ["id", "payment_id", "merchant_id", "workflow_id", "amount", "currency", "origin",
      "created_at"],
    "webhook_events": ["id", "provider", "account", "event_key", "workflow_id", "event", "headers",
      "verified_by", "remote_address", "received_at"],
    "provider_configs": ["id", "merchant_id", "provider", "created_at"],
    "provider_credentials": ["config_id", "version", "shown", "account", "created_at"],
    "operators": ["id", "email", "created_at"],
    "refresh_tokens": ["hash", "operator_id", "family", "created_at"],
    "webhook_endpoints": ["id", "merchant_id", "created_at"],
    "webhook_secrets": ["endpoint_id", "version", "created_at"],
    "deliveries": ["id", "event_id", "endpoint_id", "merchant_id", "created_at"]
  }';
  kept text;
  columns text;
BEGIN
  FOR kept IN SELECT jsonb_object_keys(evidence) LOOP
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns FROM pg_attribute
      WHERE attrelid = kept::regclass AND attnum > 0 AND NOT attisdropped
        AND NOT evidence->kept ? attname;
    EXECUTE format('REVOKE UPDATE ON %I FROM malipo_app', kept);
    EXECUTE format('GRANT UPDATE (%s) ON %I TO malipo_app', columns, kept);
  END LOOP;
END $$;

-- What an act came to, who confirmed a decision, when a key ended: said once.
CREATE FUNCTION refuse_second_value() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY TG_ARGV LOOP
    IF to_jsonb(OLD)->>name IS NOT NULL
      AND to_jsonb(OLD)->>name IS DISTINCT FROM to_jsonb(NEW)->>name THEN
      RAISE EXCEPTION '%.% is set once', TG_TABLE_NAME, name
        USING ERRCODE = 'insufficient_privilege';
    END IF;
  END LOOP;
  RETURN NEW;
END $$;
CREATE TRIGGER operator_acts_once BEFORE UPDATE OF status ON operator_acts
  FOR EACH ROW EXECUTE FUNCTION refuse_second_value('status');
CREATE TRIGGER decisions_once BEFORE UPDATE ON decisions
  FOR EACH ROW EXECUTE FUNCTION refuse_second_value('confirmed_by', 'confirmed_at');
CREATE TRIGGER api_keys_once BEFORE UPDATE OF revoked_at ON api_keys
  FOR EACH ROW EXECUTE FUNCTION refuse_second_value('revoked_at');
CREATE TRIGGER refresh_tokens_once BEFORE UPDATE OF used_at, revoked_at ON refresh_tokens
  FOR EACH ROW EXECUTE FUNCTION refuse_second_value('used_at', 'revoked_at');
CREATE TRIGGER webhook_endpoints_once BEFORE UPDATE OF deleted_at ON webhook_endpoints
  FOR EACH ROW EXECUTE FUNCTION refuse_second_value('deleted_at');
