import { readDatabaseUrl, readOwnerDatabaseUrl } from '../config/env.ts';
import { migrate } from '../db/migrate.ts';
import { runToExitCode } from './refusal.ts';

/**
 * `npm run migrate`: brings the database to the newest schema, as the owner of its tables. That is
 * the login of MALIPO_MIGRATE_DATABASE_URL; where it is not set, of DATABASE_URL, for whoever gives
 * that for this command alone.
 */
await runToExitCode(async () => {
  await migrate(readOwnerDatabaseUrl() ?? readDatabaseUrl());
  console.log('the database is at the newest schema');
  return 0;
});
