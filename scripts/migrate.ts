import { migrate } from '../db/migrate.ts';
import { trimPasted } from '../domain/text.ts';

/** `npm run migrate`: brings the database of DATABASE_URL to the newest schema. */
const databaseUrl = process.env.DATABASE_URL;
if (databaseUrl === undefined) {
  console.error('set DATABASE_URL to a role that may create tables, such as postgres://…');
  process.exitCode = 1;
} else {
  await migrate(trimPasted(databaseUrl));
  console.log('the database is at the newest schema');
}
