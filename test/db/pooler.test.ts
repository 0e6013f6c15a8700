import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { findDatabaseFault } from '../../db/health.ts';
import { openLazyPool } from '../../db/pool.ts';
import { openRateLimits } from '../../db/rate-limits.ts';
import { sql } from '../../db/sql.ts';
import { isDatabaseUnavailable } from '../../db/unavailable.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { openPooler, type Pooler, type PoolerMode } from './pooler.ts';

/** Behind a pooler that drops our settings, what hangs would hold its connection for ever. */
let database: TestDatabase;
let pooler: Pooler | null = null;
/** A login of an application, as docs/deployment.md makes one. */
const login = `pay_app_${randomBytes(4).toString('hex')}`;
beforeAll(async () => {
  database = await openTestDatabase();
  await database.queryAsOwner(`CREATE ROLE ${login} LOGIN`);
  await database.queryAsOwner(`GRANT malipo_app TO ${login}`);
});
afterEach(async () => {
  await pooler?.close();
  pooler = null;
  await database.queryAsOwner(`ALTER ROLE ${login} RESET ALL`);
});
afterAll(async () => {
  await database.queryAsOwner(`DROP ROLE ${login}`);
  await database.close();
});

const RECIPE = [`SET statement_timeout = '10s'`, `SET idle_in_transaction_session_timeout = '10s'`];
const follow = async (recipe: readonly string[]) => {
  for (const step of recipe) await database.queryAsOwner(`ALTER ROLE ${login} ${step}`);
};

/** What a process finds that starts behind the pooler. */
async function startBehind(mode: PoolerMode, user: string) {
  pooler = await openPooler(database.adminUrl, mode);
  const url = new URL(pooler.url);
  url.username = user;
  const told: unknown[] = [];
  const options = { databaseUrl: url.toString(), size: 2, statementTimeoutMs: 5_000 };
  const pool = openLazyPool(options, {
    failed: (error) => told.push(error),
    worked: () => undefined,
  });
  const fault = await findDatabaseFault(pool);
  const query = pool.query(sql.typeAlias('none')`SELECT FROM payments LIMIT 0`);
  const refusal = await query.then(
    () => null,
    (error: unknown) => error,
  );
  await pool.end();
  const [first = null] = told;
  return { fault, refusal, text: first instanceof Error ? first.message : '' };
}
const ownerOf = () => new URL(database.adminUrl).username;

test.each<readonly [string, PoolerMode, () => string, readonly string[], string]>([
  ['as the owner', 'drops', ownerOf, [], 'the login "malipo" is a superuser'],
  ['without timeouts', 'drops', () => login, [], 'no statement_timeout'],
  ['waiting for ever', 'drops', () => login, RECIPE.slice(0, 1), 'no idle_in_transaction_session_'],
  ['not at all', 'refuses', () => login, RECIPE, 'unsupported startup parameter: '],
])('it does not work %s, and says how to mend it', async (_what, mode, user, recipe, words) => {
  await follow(recipe);
  const { fault, refusal, text } = await startBehind(mode, user());
  expect(fault).toBe('database_misconfigured');
  expect(isDatabaseUnavailable(refusal)).toBe(true);
  expect(text).toContain(words);
  const isOfLogin = user === ownerOf;
  expect(text.includes("ALTER ROLE malipo_app LOGIN PASSWORD '...'")).toBe(isOfLogin);
  expect(text.includes('ignore_startup_parameters')).toBe(!isOfLogin);
});

test('with the recipe of docs/deployment.md it works', async () => {
  await follow(RECIPE);
  expect(await startBehind('drops', login)).toEqual({ fault: null, refusal: null, text: '' });
});

test('counters of requests are not kept as the owner either', async () => {
  pooler = await openPooler(database.adminUrl, 'drops');
  const limit = { requests: 5, per_ms: 60_000 };
  const limits = openRateLimits<'key'>(pooler.url, { key: limit }, [], 20_000);
  await limits.count('key', 'behind-a-pooler');
  await limits.close();
  const client = new pg.Client({ connectionString: database.adminUrl });
  await client.connect();
  const { rows } = await client.query(`SELECT key FROM rate_limits WHERE key LIKE '%pooler'`);
  await client.end();
  expect(rows).toEqual([]);
});
