import { migrate } from '../db/migrate.ts';
import { trimPasted } from '../domain/text.ts';
import { Refusal, runToExitCode } from './refusal.ts';

/** `npm run migrate`: brings the database of DATABASE_URL to the newest schema. */
await runToExitCode(async () => {
  const databaseUrl = process.env.DATABASE_URL;
  if (!databaseUrl) {
    throw new Refusal('set DATABASE_URL to a role that may create tables, such as postgres://…');
  }
  await migrate(trimPasted(databaseUrl));
  console.log('the database is at the newest schema');
  return 0;
});
