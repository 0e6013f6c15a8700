import pg from 'pg';
import { findDatabaseFault } from '../../db/health.ts';
import { migrate } from '../../db/migrate.ts';
import { openLazyPool, openPool } from '../../db/pool.ts';
import { openProxy } from '../api/proxy.ts';
import { type CreatedDatabase, createEmptyDatabase } from '../database.ts';

/** What is wrong with the database, told so that whoever reads it knows what to do. */
let database: CreatedDatabase;
beforeEach(async () => {
  database = await createEmptyDatabase();
});
afterEach(() => database.drop());

const placeOf = (databaseUrl: string) => ({ databaseUrl, size: 1, statementTimeoutMs: 5_000 });
async function query(text: string): Promise<void> {
  const client = new pg.Client({ connectionString: database.adminUrl });
  await client.connect();
  await client.query(text);
  await client.end();
}
/** As a process sees it that starts now. */
async function faultAt(databaseUrl: string) {
  const pool = openLazyPool(placeOf(databaseUrl), {
    failed: () => undefined,
    worked: () => undefined,
  });
  const fault = await findDatabaseFault(pool);
  await pool.end();
  return fault;
}
function changed(change: (url: URL) => void): string {
  const url = new URL(database.appUrl);
  change(url);
  return url.toString();
}

test('a database is ready when it has our schema, and not before', async () => {
  const options = placeOf(database.appUrl);
  const early = await openPool(options);
  expect(await findDatabaseFault(early)).toBe('schema_missing');
  await early.end();
  expect(await faultAt(database.appUrl)).toBe('schema_missing');
  await migrate(database.adminUrl);
  const pool = await openPool(options);
  expect(await findDatabaseFault(pool)).toBe(null);
  await pool.end();
  expect(await faultAt(database.appUrl)).toBe(null);
});

test('a database that went away is not ready, and nothing worse happens', async () => {
  await migrate(database.adminUrl);
  const proxy = await openProxy(database.appUrl);
  const pool = await openPool(placeOf(proxy.url));
  expect(await findDatabaseFault(pool)).toBe(null);
  await proxy.shut();
  expect(await findDatabaseFault(pool)).toBe('database_away');
  expect(await faultAt(proxy.url)).toBe('database_away');
  await pool.end();
});

test('where there is no database of this name, the schema is missing', async () => {
  const url = changed((it) => {
    it.pathname = '/no_such_database';
  });
  expect(await faultAt(url)).toBe('schema_missing');
});

test('the owner’s login is no way in, before the first migration neither', async () => {
  expect(await faultAt(database.adminUrl)).toBe('database_misconfigured');
  await migrate(database.adminUrl);
  expect(await faultAt(database.adminUrl)).toBe('database_misconfigured');
});

test('one that lets us in no further is not away, and lacks no schema', async () => {
  await migrate(database.adminUrl);
  await query('REVOKE SELECT ON payments FROM malipo_app');
  expect(await faultAt(database.appUrl)).toBe('database_refused');
  const stranger = changed((it) => {
    it.username = 'nobody_at_all';
  });
  expect(await faultAt(stranger)).toBe('database_refused');
});
