-- Whether the provider asked never to try again: no rule of a policy makes that worth another try.
ALTER TABLE payments ADD COLUMN failure_is_final boolean NOT NULL DEFAULT false;
