-- When each half of the sweeper last ended a round: processes tell by it how late the sweeper is.
CREATE TABLE sweep_rounds (
  part text PRIMARY KEY CONSTRAINT sweep_rounds_part_check CHECK (part IN (
    'unstarted', 'undelivered')),
  ended_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON sweep_rounds TO malipo_app;
