-- Whatever takes two operators waits here for the second, not decisions alone. A request that may
-- hold secrets is known by a keyed hash; the summary tells the second what it is about.
ALTER TABLE decisions ALTER COLUMN decision DROP NOT NULL;
ALTER TABLE decisions ADD COLUMN action text NOT NULL DEFAULT 'decision',
  ADD COLUMN fingerprint text,
  ADD COLUMN summary jsonb NOT NULL DEFAULT '{}',
  ADD CONSTRAINT decisions_known_by CHECK (
    CASE WHEN action = 'decision' THEN decision ELSE fingerprint END IS NOT NULL);
CREATE INDEX decisions_awaiting ON decisions (id DESC) WHERE confirmed_by IS NULL;
