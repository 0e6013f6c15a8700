import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { openLazyPool, openPool, type Pool } from '../../db/pool.ts';
import { sql } from '../../db/sql.ts';
import { isDatabaseUnavailable } from '../../db/unavailable.ts';
import { pickPort } from '../../sandbox/ports.ts';
import { openProxy } from '../api/proxy.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

const numberRow = z.object({ value: z.number() });
const textRow = z.object({ value: z.string() });

test.each(['0', '10050', '9007199254740991', '-9007199254740991'])(
  '%s comes back from int8 as it is',
  async (text) => {
    const row = await database.pool.one(sql.type(numberRow)`SELECT ${text}::int8 AS value`);
    expect(String(row.value)).toBe(text);
  },
);

test.each(['9007199254740992', '9007199254740993', '9223372036854775807', '-9007199254740992'])(
  '%s is refused: no amount is ever rounded',
  async (text) => {
    const query = database.pool.one(sql.type(numberRow)`SELECT ${text}::int8 AS value`);
    await expect(query).rejects.toThrow(`int8 beyond 2^53: ${text}`);
  },
);

test('a refused number does not fault the connection', async () => {
  const pool = await openPool({
    databaseUrl: database.appUrl,
    size: 1,
    statementTimeoutMs: 5_000,
  });
  const tooMuch = pool.one(sql.type(numberRow)`SELECT '9007199254740993'::int8 AS value`);
  await expect(tooMuch).rejects.toThrow();
  expect(await pool.one(sql.type(numberRow)`SELECT 1::int8 AS value`)).toEqual({ value: 1 });
  await pool.end();
});

test('a row that is not of its type is refused', async () => {
  const query = database.pool.one(sql.type(numberRow)`SELECT 'text' AS value`);
  await expect(query).rejects.toThrow('do not conform with the schema');
});

test('a time comes back in ISO 8601 and UTC', async () => {
  const row = await database.pool.one(
    sql.type(textRow)`SELECT '2026-03-01 12:00:00.5+03'::timestamptz AS value`,
  );
  expect(row.value).toBe('2026-03-01T09:00:00.500Z');
});

test('the pool works as the application’s login, not as the owner', async () => {
  const row = await database.pool.one(sql.type(textRow)`SELECT current_user::text AS value`);
  expect(row.value).toBe('malipo_app');
  await expect(database.pool.query(sql.typeAlias('none')`DELETE FROM payments`)).rejects.toThrow(
    'permission denied for table payments',
  );
});

test('a statement that takes too long is ended', async () => {
  const databaseUrl = database.appUrl;
  const pool = await openPool({ databaseUrl, size: 1, statementTimeoutMs: 1_000 });
  await expect(pool.query(sql.typeAlias('none')`SELECT FROM pg_sleep(30)`)).rejects.toThrow(
    /timeout/,
  );
  await pool.end();
});

test('what a query sends is the query: nothing resets the session behind it', async () => {
  await database.pool.query(sql.typeAlias('none')`SELECT FROM payments LIMIT 0`);
  const rows = await database.queryAsOwner<{ query: string }>(`
    SELECT query FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'idle'`);
  expect(rows.length).toBeGreaterThan(0);
  for (const { query } of rows) expect(query).not.toMatch(/DISCARD|RESET/i);
});

describe('a process that starts before its database', () => {
  const ask = (pool: Pool) => pool.one(sql.type(numberRow)`SELECT 1::int8 AS value`);
  const openThrough = async () => {
    const { port } = await pickPort(0);
    const url = new URL(database.appUrl);
    url.port = String(port);
    const told: unknown[] = [];
    const options = { databaseUrl: url.toString(), size: 1, statementTimeoutMs: 5_000 };
    const pool = openLazyPool(options, {
      failed: (error) => told.push(error),
      worked: () => undefined,
    });
    return { pool, told, open: () => openProxy(database.appUrl, port) };
  };
  const errorOf = (work: Promise<unknown>) =>
    work.then(
      () => null,
      (error: unknown) => error,
    );

  test('is told that it is away, by one try for all who ask, and then gets it', async () => {
    const { pool, told, open } = await openThrough();
    const errors = await Promise.all([1, 2, 3].map(() => errorOf(ask(pool))));
    expect(errors.map(isDatabaseUnavailable)).toEqual([true, true, true]);
    expect(told).toEqual([expect.objectContaining({ code: 'ECONNREFUSED' })]);
    const proxy = await open();
    for (;;) {
      const error = await errorOf(ask(pool));
      if (error === null) break;
      expect(isDatabaseUnavailable(error)).toBe(true);
      await sleep(50);
    }
    expect(await ask(pool)).toEqual({ value: 1 });
    await pool.end();
    await proxy.shut();
  }, 20_000);

  test('is told the same where its address is wrong: that is mended without it', async () => {
    const url = new URL(database.appUrl);
    url.pathname = '/no_such_database';
    const told: unknown[] = [];
    const options = { databaseUrl: url.toString(), size: 1, statementTimeoutMs: 5_000 };
    const pool = openLazyPool(options, {
      failed: (error) => told.push(error),
      worked: () => undefined,
    });
    expect(isDatabaseUnavailable(await errorOf(ask(pool)))).toBe(true);
    expect(told).toEqual([expect.objectContaining({ code: '3D000' })]);
    await pool.end();
  });

  test('may end before it ever came, and connects no more', async () => {
    const { pool, open } = await openThrough();
    await pool.end();
    const proxy = await open();
    expect(isDatabaseUnavailable(await errorOf(ask(pool)))).toBe(true);
    await proxy.shut();
  });
});
