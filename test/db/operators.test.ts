import {
  endSession,
  findActiveOperator,
  findOperatorByEmail,
  insertOperator,
  openSession,
  renewSession,
  updateOperator,
} from '../../db/operators.ts';
import { hashPassword, isPassword } from '../../db/password.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';

let database: TestDatabase;
beforeEach(async () => {
  database = await openTestDatabase();
});
afterEach(() => database.close());

const enroll = async (email = 'Amina@example.test') => {
  const next = { email, name: 'Amina', role: 'operator', passwordHash: 'none' } as const;
  const operator = await insertOperator(database.pool, next);
  if (operator === null) throw new Error('the address was taken');
  return operator;
};

test('an address is one operator’s, however it is spelled', async () => {
  const { id } = await enroll();
  await expect(enroll('AMINA@example.test')).rejects.toThrow('taken');
  const found = await findOperatorByEmail(database.pool, 'amina@EXAMPLE.test');
  expect(found).toMatchObject({ operator: { id, email: 'amina@example.test' } });
});

test('a refresh token is good once; a second use ends the session', async () => {
  const { pool } = database;
  const { id } = await enroll();
  const first = await openSession(pool, id);
  const second = await renewSession(pool, first);
  expect(second).toMatchObject({ operator: { id } });
  expect(await renewSession(pool, first)).toBeNull();
  expect(await renewSession(pool, second?.refreshToken ?? '')).toBeNull();
});

test('of the same token used ten times at once, one use succeeds', async () => {
  const { pool } = database;
  const token = await openSession(pool, (await enroll()).id);
  const all = await Promise.all(Array.from({ length: 10 }, () => renewSession(pool, token)));
  expect(all.filter((it) => it !== null)).toHaveLength(1);
});

test.each([
  ['a new password', { passwordHash: 'other' }],
  ['being switched off', { active: false }],
])('%s ends all sessions', async (_what, changes) => {
  const { pool } = database;
  const { id } = await enroll();
  const token = await openSession(pool, id);
  await updateOperator(pool, id, changes);
  expect(await renewSession(pool, token)).toBeNull();
});

test('who is switched off is found no more', async () => {
  const { pool } = database;
  const { id, email } = await enroll();
  await updateOperator(pool, id, { active: false });
  expect(await findActiveOperator(pool, id)).toBeNull();
  expect(await findOperatorByEmail(pool, email)).toBeNull();
});

test('a session that was ended is over; one that is too old as well', async () => {
  const { pool } = database;
  const { id } = await enroll();
  const ended = await openSession(pool, id);
  await endSession(pool, ended);
  expect(await renewSession(pool, ended)).toBeNull();
  const old = await openSession(pool, id);
  await database.queryAsOwner('UPDATE refresh_tokens SET expires_at = now()');
  expect(await renewSession(pool, old)).toBeNull();
});

test('a password is known by its hash, and no other is', async () => {
  const hash = await hashPassword('a long enough password');
  expect(hash).not.toContain('password');
  expect(await isPassword('a long enough password', hash)).toBe(true);
  expect(await isPassword('A long enough password', hash)).toBe(false);
  expect(await isPassword('a long enough password', null)).toBe(false);
  expect(await hashPassword('a long enough password')).not.toBe(hash);
});
