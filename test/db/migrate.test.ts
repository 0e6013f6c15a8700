import pg from 'pg';
import { migrate } from '../../db/migrate.ts';
import { type CreatedDatabase, createEmptyDatabase } from '../database.ts';

const TABLES = [
  'api_keys',
  'attempts',
  'audit_entries',
  'decisions',
  'deliveries',
  'delivery_attempts',
  'merchants',
  'operator_activity',
  'operators',
  'outgoing_events',
  'payments',
  'provider_configs',
  'provider_credentials',
  'rate_limits',
  'refresh_tokens',
  'refunds',
  'schema_migrations',
  'sweep_rounds',
  'webhook_endpoints',
  'webhook_events',
  'webhook_secrets',
];

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

test('nobody but the owner makes tables in it, not even temporary ones', async () => {
  await query(`GRANT CREATE ON SCHEMA public TO PUBLIC`);
  await query(`DO $$ BEGIN
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database()); END $$`);
  await migrate(database.adminUrl);
  const rights = await query(`
    SELECT has_database_privilege('malipo_app', current_database(), 'TEMPORARY') AS temporary,
      has_schema_privilege('malipo_app', 'public', 'CREATE') AS lasting`);
  expect(rights).toEqual([{ temporary: false, lasting: false }]);
});

test('two processes that migrate at once both end well, and each file ran once', async () => {
  await Promise.all([migrate(database.adminUrl), migrate(database.adminUrl)]);
  expect(await listTables()).toEqual(TABLES);
  const names = (await listMigrations()).map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
