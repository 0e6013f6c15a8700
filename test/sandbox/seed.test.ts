import { makeApiKey } from '../../db/api-key.ts';
import { authenticate } from '../../db/merchants.ts';
import { findOperatorByEmail } from '../../db/operators.ts';
import { isPassword } from '../../db/password.ts';
import { SANDBOX_OPERATOR, seed } from '../../sandbox/seed.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

test('key and password of the home open, also on a database of an earlier home', async () => {
  for (const operatorPassword of ['the first long one', 'the second long one']) {
    const apiKey = makeApiKey('test');
    await seed({ databaseUrl: database.adminUrl, apiKey, operatorPassword });
    expect(await authenticate(database.pool, apiKey)).not.toBeNull();
    const found = await findOperatorByEmail(database.pool, SANDBOX_OPERATOR);
    expect(await isPassword(operatorPassword, found?.passwordHash ?? null)).toBe(true);
  }
});
