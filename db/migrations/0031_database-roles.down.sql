REVOKE ALL ON ALL TABLES IN SCHEMA public FROM malipo_report;
REVOKE ALL ON SCHEMA public FROM malipo_report;
DO $$
DECLARE routine regprocedure;
BEGIN
  FOR routine IN SELECT p.oid FROM pg_proc p
    WHERE pronamespace = 'public'::regnamespace AND proowner = current_user::regrole
      AND NOT EXISTS (SELECT FROM pg_depend
        WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')
  LOOP
    EXECUTE format('ALTER ROUTINE %s RESET search_path', routine);
  END LOOP;
END $$;
