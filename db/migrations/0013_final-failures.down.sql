ALTER TABLE payments DROP COLUMN failure_is_final;
