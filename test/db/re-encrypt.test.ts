import { SEALED_TABLES } from '../../db/re-encrypt.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

test('every sealed column that there is is sealed anew, by its row’s own key', async () => {
  const columns = await database.queryAsOwner<{ table: string; column: string }>(
    `SELECT table_name AS table, column_name AS column FROM information_schema.columns
     WHERE table_schema = 'public' AND (column_name LIKE '%\\_cipher' OR data_type = 'bytea')
       AND column_name NOT LIKE '%hash'`,
  );
  const known = SEALED_TABLES.flatMap(({ table, columns: names }) =>
    Object.keys(names).map((column) => ({ table, column })),
  );
  const inOrder = (list: readonly { table: string; column: string }[]) =>
    list.map(({ table, column }) => `${table}.${column}`).toSorted();
  expect(inOrder(known)).toEqual(inOrder(columns));
});

test('each table’s key is its primary key', async () => {
  for (const { table, key } of SEALED_TABLES) {
    const rows = await database.queryAsOwner<{ name: string }>(
      `SELECT attname AS name FROM pg_index, unnest(indkey) WITH ORDINALITY AS part (number, place)
       JOIN pg_attribute ON attnum = number
       WHERE indrelid = $1::regclass AND attrelid = indrelid AND indisprimary ORDER BY place`,
      [table],
    );
    expect([table, rows.map(({ name }) => name)]).toEqual([table, key]);
  }
});
