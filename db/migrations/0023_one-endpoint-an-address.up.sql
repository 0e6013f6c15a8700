-- An address is an endpoint once for each merchant, so that one event is one POST to it. Of those
-- that share an address the oldest that is switched on stays, or else the oldest, and takes over
-- what the others asked for. What the others were sent stays to be read.
CREATE TEMPORARY TABLE endpoints_to_keep ON COMMIT DROP AS
  SELECT DISTINCT ON (merchant_id, url) id, merchant_id, url FROM webhook_endpoints
  WHERE deleted_at IS NULL ORDER BY merchant_id, url, active DESC, id;
UPDATE webhook_endpoints kept SET event_types = asked.event_types, updated_at = now()
FROM endpoints_to_keep it CROSS JOIN LATERAL (
  -- None means all of them.
  SELECT CASE WHEN bool_or(w.event_types = '{}') THEN '{}' ELSE ARRAY (
    SELECT DISTINCT type FROM webhook_endpoints o CROSS JOIN LATERAL unnest(o.event_types) type
    WHERE o.merchant_id = it.merchant_id AND o.url = it.url AND o.deleted_at IS NULL AND o.active
    ORDER BY type) END AS event_types
  FROM webhook_endpoints w
  WHERE w.merchant_id = it.merchant_id AND w.url = it.url AND w.deleted_at IS NULL AND w.active
  HAVING count(w.id) > 1) asked
WHERE kept.id = it.id;
UPDATE webhook_endpoints w SET deleted_at = now(), active = false, updated_at = now()
WHERE w.deleted_at IS NULL AND NOT EXISTS (SELECT FROM endpoints_to_keep it WHERE it.id = w.id);

-- By a hash, since an address may be longer than an index takes.
CREATE UNIQUE INDEX webhook_endpoints_by_url ON webhook_endpoints (merchant_id, md5(url))
  WHERE deleted_at IS NULL;
