-- When an attempt's next send was due. A send that comes too late after that is not made any more
-- (accept_within_ms of the policy). Null in rows of before: there the first attempt counts from the
-- payment's creation, and any other has no limit.
ALTER TABLE attempts ADD COLUMN due_at timestamptz;
ALTER TABLE attempts ALTER COLUMN due_at SET DEFAULT now();
