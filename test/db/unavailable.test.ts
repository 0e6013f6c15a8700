import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { openPool, type Pool } from '../../db/pool.ts';
import { sql } from '../../db/sql.ts';
import { isDatabaseUnavailable, isDataFault, isReadOnly } from '../../db/unavailable.ts';
import { openProxy, type TestProxy } from '../api/proxy.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';

/** What is worth another try, told from what is our fault, by the errors that really come. */
let database: TestDatabase;
let proxy: TestProxy;
let pool: Pool;
beforeEach(async () => {
  database = await openTestDatabase();
  proxy = await openProxy(database.appUrl);
  pool = await openPool({ databaseUrl: proxy.url, size: 2, statementTimeoutMs: 10_000 });
});
afterEach(async () => {
  await pool.end();
  await proxy.shut();
  await database.close();
});

const errorOf = (work: Promise<unknown>) =>
  work.then(
    () => new Error('it went well'),
    (error: unknown) => error,
  );
const pidRow = z.object({ pid: z.number() });
const findPid = () => pool.one(sql.type(pidRow)`SELECT pg_backend_pid() AS pid`);
const wait = () => pool.query(sql.typeAlias('none')`SELECT FROM pg_sleep(60)`);
const WAITING = `FROM pg_stat_activity
  WHERE query ~ 'pg_sleep' AND datname = current_database() AND pid <> pg_backend_pid()`;
const untilItWaits = async () => {
  while ((await database.queryAsOwner(`SELECT pid ${WAITING}`)).length === 0) await sleep(10);
};

describe('away is', () => {
  test('a database that takes no connection', async () => {
    await proxy.shut();
    expect(isDatabaseUnavailable(await errorOf(findPid()))).toBe(true);
  });

  test('one that goes away under a query', async () => {
    const error = errorOf(wait());
    await untilItWaits();
    await proxy.shut();
    expect(isDatabaseUnavailable(await error)).toBe(true);
  });

  test('one that ends the connection under a query', async () => {
    const error = errorOf(wait());
    await untilItWaits();
    await database.queryAsOwner(`SELECT pg_terminate_backend(pid) ${WAITING}`);
    expect(isDatabaseUnavailable(await error)).toBe(true);
  });

  test('a statement that took too long', async () => {
    await pool.end();
    pool = await openPool({ databaseUrl: proxy.url, size: 2, statementTimeoutMs: 1_000 });
    expect(isDatabaseUnavailable(await errorOf(wait()))).toBe(true);
  });
});

/** By PostgreSQL's code: is it away, does it only take no writes, is the row what is wrong? */
// biome-ignore format: table, one code per line
const STATES = [
  ['25006', true, true, false],
  ['40001', true, false, false],
  ['40P01', true, false, false],
  ['53100', true, false, false],
  ['53200', true, false, false],
  ['53300', true, false, false],
  ['55P03', true, false, false],
  ['57014', true, false, false],
  ['57P03', true, false, false],
  ['58030', true, false, false],
  ['XX000', false, false, false],
  ['42501', false, false, false],
  ['22001', false, false, true],
  ['22P02', false, false, true],
  ['23502', false, false, true],
  ['23503', false, false, true],
  ['23505', false, false, true],
  ['23514', false, false, true],
  ['54000', false, false, true],
] as const;
test('each code that PostgreSQL says is told apart, as slonik wraps it', async () => {
  await database.queryAsOwner(`
    CREATE FUNCTION raise(state text) RETURNS void LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'of this test' USING ERRCODE = state; END $$`);
  const told: unknown[] = [];
  for (const [state] of STATES) {
    const error = await errorOf(pool.query(sql.typeAlias('none')`SELECT FROM raise(${state})`));
    told.push([state, isDatabaseUnavailable(error), isReadOnly(error), isDataFault(error)]);
  }
  expect(told).toEqual(STATES);
});

test.each(['EHOSTUNREACH', 'ENETUNREACH'])('a standing line that says %s is away', (code) => {
  expect(isDatabaseUnavailable(Object.assign(new Error(code), { code, syscall: 'read' }))).toBe(
    true,
  );
});

describe('not away is', () => {
  test('a broken rule of the schema, whatever words are in it', async () => {
    const insert = sql.typeAlias('none')`
      INSERT INTO merchants (id, name) VALUES ('timeout', 'shutting down')`;
    await pool.query(insert);
    expect(isDatabaseUnavailable(await errorOf(pool.query(insert)))).toBe(false);
  });

  test('a column that is not there', async () => {
    const error = await errorOf(pool.query(sql.typeAlias('none')`SELECT timeout FROM merchants`));
    expect(isDatabaseUnavailable(error)).toBe(false);
  });

  test('a row that is not as we say', async () => {
    const row = z.object({ timeout: z.number() });
    const error = await errorOf(pool.one(sql.type(row)`SELECT 'ECONNRESET' AS timeout`));
    expect(isDatabaseUnavailable(error)).toBe(false);
  });

  test.each<readonly [string, unknown]>([
    ['a provider’s timeout', new Error('the provider said timeout')],
    ['a worker that ends', new Error('the worker is shutting down')],
    [
      'another server’s absence',
      new TypeError('fetch failed', {
        cause: Object.assign(new Error('connect'), { code: 'ECONNREFUSED', syscall: 'connect' }),
      }),
    ],
    ['a text', 'timeout'],
    ['nothing', null],
  ])('%s', (_what, error) => {
    expect(isDatabaseUnavailable(error)).toBe(false);
  });
});
