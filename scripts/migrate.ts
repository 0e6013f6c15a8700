import { readDatabaseUrl } from '../config/env.ts';
import { migrate } from '../db/migrate.ts';
import { runToExitCode } from './refusal.ts';

/**
 * `npm run migrate`: brings the database of DATABASE_URL to the newest schema. That names a role
 * that may create tables.
 */
await runToExitCode(async () => {
  await migrate(readDatabaseUrl());
  console.log('the database is at the newest schema');
  return 0;
});
