DROP TRIGGER operator_acts_once ON operator_acts;
DROP TRIGGER decisions_once ON decisions;
DROP TRIGGER api_keys_once ON api_keys;
DROP TRIGGER refresh_tokens_once ON refresh_tokens;
DROP TRIGGER webhook_endpoints_once ON webhook_endpoints;
DROP FUNCTION refuse_second_value();
GRANT UPDATE ON merchants, api_keys, payments, attempts, refunds, webhook_events, provider_configs,
  provider_credentials, operators, refresh_tokens, webhook_endpoints, webhook_secrets, deliveries
  TO malipo_app;
