import { makeApiKey } from '../../db/api-key.ts';
import { recordDecision } from '../../db/decisions.ts';
import { authenticate } from '../../db/merchants.ts';
import { findOperatorByEmail } from '../../db/operators.ts';
import { isPassword } from '../../db/password.ts';
import { SANDBOX_OPERATOR, SECOND_SANDBOX_OPERATOR, seed } from '../../sandbox/seed.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

test('key and password of the home open, also on a database of an earlier home', async () => {
  for (const operatorPassword of ['the first long one', 'the second long one']) {
    const apiKey = makeApiKey('test');
    await seed({ databaseUrl: database.appUrl, apiKey, operatorPassword });
    expect(await authenticate(database.pool, apiKey)).not.toBeNull();
    for (const email of [SANDBOX_OPERATOR, SECOND_SANDBOX_OPERATOR]) {
      const found = await findOperatorByEmail(database.pool, email);
      expect(await isPassword(operatorPassword, found?.passwordHash ?? null)).toBe(true);
    }
  }
});

test('its two operators count as two', async () => {
  const decided = [];
  for (const email of [SANDBOX_OPERATOR, SECOND_SANDBOX_OPERATOR]) {
    const operatorId = (await findOperatorByEmail(database.pool, email))?.operator.id ?? '';
    const at = new Date(0).toISOString();
    const about = { subjectId: 'pay_1', madeAt: at, changedAt: at, reason: 'seen', needsTwo: true };
    const said = { decision: 'failed', receipt: null, amountMinor: null } as const;
    decided.push((await recordDecision(database.pool, { ...about, ...said, operatorId })).kind);
  }
  expect(decided).toEqual(['awaits_second', 'agreed']);
});
