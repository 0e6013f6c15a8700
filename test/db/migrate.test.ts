import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { findDatabaseFault } from '../../db/health.ts';
import { migrate } from '../../db/migrate.ts';
import { openPool } from '../../db/pool.ts';
import { type CreatedDatabase, createEmptyDatabase } from '../database.ts';

const TABLES = [
  'api_keys',
  'attempts',
  'audit_entries',
  'decisions',
  'deliveries',
  'delivery_attempts',
  'merchants',
  'operator_acts',
  'operators',
  'outgoing_events',
  'payments',
  'provider_configs',
  'provider_credentials',
  'rate_limits',
  'refresh_tokens',
  'refunds',
  'schema_migrations',
  'webhook_endpoints',
  'webhook_events',
  'webhook_secrets',
];
const MIGRATIONS = join(import.meta.dirname, '../../db/migrations');

let database: CreatedDatabase;
beforeEach(async () => {
  database = await createEmptyDatabase();
});
afterEach(() => database.drop());

async function query<Row extends pg.QueryResultRow>(text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: database.adminUrl });
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

async function listTables(): Promise<readonly string[]> {
  const rows = await query<{ name: string }>(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename",
  );
  return rows.map(({ name }) => name);
}

const listMigrations = () => query('SELECT id, name FROM schema_migrations ORDER BY id');

test('migrating twice is migrating once', async () => {
  await migrate(database.adminUrl);
  const first = await listMigrations();
  expect(await listTables()).toEqual(TABLES);
  await migrate(database.adminUrl);
  expect(await listMigrations()).toEqual(first);
});

test('two processes that migrate at once both end well, and each file ran once', async () => {
  await Promise.all([migrate(database.adminUrl), migrate(database.adminUrl)]);
  expect(await listTables()).toEqual(TABLES);
  const names = (await listMigrations()).map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

test('the way down leaves nothing, and the way up works again after it', async () => {
  await migrate(database.adminUrl);
  const downs = readdirSync(MIGRATIONS).filter((name) => name.endsWith('.down.sql'));
  for (const name of downs.sort().reverse()) {
    await query(readFileSync(join(MIGRATIONS, name), 'utf8'));
  }
  const left = await query<{ proname: string }>(`
    SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace`);
  expect([await listTables(), left]).toEqual([['schema_migrations'], []]);
  await query('DELETE FROM schema_migrations');
  await migrate(database.adminUrl);
  expect(await listTables()).toEqual(TABLES);
});

test('a password of before 0014 may be known to somebody, whoever set it', async () => {
  await migrate(database.adminUrl);
  const run = (way: string) =>
    query(readFileSync(join(MIGRATIONS, `0014_own-passwords.${way}.sql`), 'utf8'));
  await run('down');
  await query(`INSERT INTO operators (id, email, name, role, password_hash, password_set_by) VALUES
    ('opr_1', 'a@example.test', 'A', 'admin', 'none', NULL),
    ('opr_2', 'b@example.test', 'B', 'admin', 'none', 'opr_1')`);
  await run('up');
  const setBy = await query('SELECT password_set_by FROM operators ORDER BY id');
  expect(setBy).toEqual([{ password_set_by: 'cli' }, { password_set_by: 'opr_1' }]);
});

test('a database is ready when it has our schema, and not before', async () => {
  const options = { databaseUrl: database.adminUrl, size: 1, statementTimeoutMs: 5_000 };
  const early = await openPool(options);
  expect(await findDatabaseFault(early)).toBe('schema_missing');
  await early.end();
  await migrate(database.adminUrl);
  const pool = await openPool(options);
  expect(await findDatabaseFault(pool)).toBe(null);
  await pool.end();
});

test('a database that went away is not ready, and nothing worse happens', async () => {
  const gone = await createEmptyDatabase();
  await migrate(gone.adminUrl);
  const pool = await openPool({ databaseUrl: gone.adminUrl, size: 1, statementTimeoutMs: 5_000 });
  expect(await findDatabaseFault(pool)).toBe(null);
  await gone.drop();
  expect(await findDatabaseFault(pool)).toBe('database_away');
  await pool.end();
});
