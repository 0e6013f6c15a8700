DROP INDEX webhook_endpoints_by_url;
