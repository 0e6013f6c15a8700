import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
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
  'sweep_rounds',
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

test('who set a password before 0016 is kept, and the last of them on the way down', async () => {
  await migrate(database.adminUrl);
  const run = (way: string) =>
    query(readFileSync(join(MIGRATIONS, `0016_all-setters.${way}.sql`), 'utf8'));
  const listFormer = async () =>
    (await query('SELECT former_password_set_by AS by FROM operators ORDER BY id')).map(
      ({ by }) => by,
    );
  await run('down');
  await query(`INSERT INTO operators (id, email, name, role, password_hash, former_password_set_by)
    VALUES ('opr_1', 'a@example.test', 'A', 'admin', 'none', NULL),
      ('opr_2', 'b@example.test', 'B', 'admin', 'none', 'opr_1')`);
  await run('up');
  expect(await listFormer()).toEqual([[], ['opr_1']]);
  await query("UPDATE operators SET former_password_set_by = '{cli,opr_1}' WHERE id = 'opr_2'");
  await run('down');
  expect(await listFormer()).toEqual([null, 'opr_1']);
});

test('of endpoints with one address one stays with 0023, and gets what all asked for', async () => {
  await migrate(database.adminUrl);
  const run = (way: string) =>
    query(readFileSync(join(MIGRATIONS, `0023_one-endpoint-an-address.${way}.sql`), 'utf8'));
  await run('down');
  await query(`INSERT INTO merchants (id, name) VALUES ('mer_1', 'Duka'), ('mer_2', 'Duka II')`);
  await query(`
    INSERT INTO webhook_endpoints (id, merchant_id, url, event_types, active, deleted_at) VALUES
      ('a1', 'mer_1', 'https://a', '{x}', false, NULL),
      ('a2', 'mer_1', 'https://a', '{y,z}', true, NULL),
      ('a3', 'mer_1', 'https://a', '{z,v}', true, NULL),
      ('a4', 'mer_1', 'https://a', '{}', false, now()),
      ('b1', 'mer_1', 'https://b', '{x}', true, NULL),
      ('b2', 'mer_1', 'https://b', '{}', true, NULL),
      ('c1', 'mer_1', 'https://c', '{x}', false, NULL),
      ('c2', 'mer_1', 'https://c', '{y}', false, NULL),
      ('d1', 'mer_2', 'https://a', '{x}', true, NULL)`);
  await run('up');
  const live = `SELECT id, event_types AS types, active FROM webhook_endpoints
    WHERE deleted_at IS NULL ORDER BY id`;
  expect(await query(live)).toEqual([
    { id: 'a2', types: ['v', 'y', 'z'], active: true },
    { id: 'b1', types: [], active: true },
    { id: 'c1', types: ['x'], active: false },
    { id: 'd1', types: ['x'], active: true },
  ]);
});
