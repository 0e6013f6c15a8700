-- What each login may do: docs/decisions/0026-database-roles.md. Passwords are the deployer's
-- (docs/deployment.md); `npm run migrate` closes the database itself, each time (db/migrate.ts).

-- A function looks for tables where the caller's session says, unless it says so itself, and a
-- temporary table comes first unless pg_temp stands last: it would shadow ours in a trigger.
DO $$
DECLARE routine regprocedure;
BEGIN
  FOR routine IN SELECT p.oid FROM pg_proc p
    WHERE pronamespace = 'public'::regnamespace AND proowner = current_user::regrole
      AND NOT EXISTS (SELECT FROM pg_depend
        WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')
  LOOP
    EXECUTE format('ALTER ROUTINE %s SET search_path = pg_catalog, public, pg_temp', routine);
  END LOOP;
END $$;

-- Reports read what happened, and nothing that is sealed, hashed, secret or a stranger's text.
DO $$ BEGIN
  IF to_regrole('malipo_report') IS NULL THEN CREATE ROLE malipo_report NOLOGIN; END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
GRANT USAGE ON SCHEMA public TO malipo_report;
-- With its hashes: who audits can follow the chain without any other right.
GRANT SELECT ON audit_entries TO malipo_report;
DO $$
DECLARE
  reported regclass;
  columns text;
BEGIN
  FOREACH reported IN ARRAY '{merchants, payments, attempts, refunds, decisions, outgoing_events,
    deliveries, delivery_attempts, webhook_events}'::regclass[]
  LOOP
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns FROM pg_attribute
      WHERE attrelid = reported AND attnum > 0 AND NOT attisdropped
        AND attname !~ '_cipher$|_hash$|nonce$'
        AND attname <> ALL ('{event, headers, remote_address, response}');
    EXECUTE format('GRANT SELECT (%s) ON %s TO malipo_report', columns, reported);
  END LOOP;
END $$;
