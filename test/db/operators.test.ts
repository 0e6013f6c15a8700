import { createHook } from 'node:async_hooks';
import {
  endSession,
  findActiveOperator,
  findOperatorByEmail,
  insertOperator,
  openSession,
  renewSession,
  updateOperator,
} from '../../db/operators.ts';
import {
  hashPassword,
  isPassword,
  PASSWORDS_WAITING_MAX,
  PasswordsBusyError,
} from '../../db/password.ts';
import type { Pool } from '../../db/pool.ts';
import { countWaiting } from '../api/locks.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { until } from '../until.ts';

let database: TestDatabase;
beforeEach(async () => {
  database = await openTestDatabase();
});
afterEach(() => database.close());

const enroll = async (email = 'Amina@example.test') => {
  const password = { hash: 'none', setBy: null };
  const next = { email, name: 'Amina', role: 'operator', password } as const;
  const operator = await insertOperator(database.pool, next);
  if (operator === null) throw new Error('the address was taken');
  return operator;
};

const enter = async (id: string, pool: Pool = database.pool) => {
  const session = await openSession(pool, id, 'none');
  if (session === null) throw new Error('the password was not taken');
  return session.refreshToken;
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
  const first = await enter(id);
  const second = await renewSession(pool, first);
  expect(second).toMatchObject({ operator: { id } });
  expect(await renewSession(pool, first)).toBeNull();
  expect(await renewSession(pool, second?.refreshToken ?? '')).toBeNull();
});

test('of the same token used ten times at once, one use succeeds', async () => {
  const { pool } = database;
  const token = await enter((await enroll()).id);
  const all = await Promise.all(Array.from({ length: 10 }, () => renewSession(pool, token)));
  expect(all.filter((it) => it !== null)).toHaveLength(1);
});

const NEW_PASSWORD = { password: { hash: 'other', setBy: null } };
const ENDS = [
  ['a new password', NEW_PASSWORD],
  ['being switched off', { active: false }],
] as const;
type Tokens = { readonly id: string; readonly first: string; readonly second: string };

test.each(ENDS)('%s ends all sessions', async (_what, changes) => {
  const { pool } = database;
  const { id } = await enroll();
  const token = await enter(id);
  await updateOperator(pool, id, changes);
  expect(await renewSession(pool, token)).toBeNull();
});

test.each(ENDS)(
  'a password that was read before %s opens nothing after it',
  async (_what, changes) => {
    const { pool } = database;
    const { id } = await enroll();
    await updateOperator(pool, id, changes);
    expect(await openSession(pool, id, 'none')).toBeNull();
    expect(await database.queryAsOwner('SELECT * FROM refresh_tokens')).toEqual([]);
  },
);

/** What opened it is done, but for the end of its transaction, when `after` comes. */
async function raceBeforeCommit<Value>(
  open: (pool: Pool) => Promise<Value>,
  after: (pool: Pool) => Promise<unknown>,
): Promise<Value> {
  const [reached, commit] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const holding: Pool = {
    ...database.pool,
    transaction: (work) =>
      database.pool.transaction(async (db) => {
        const value = await work(db);
        reached.resolve();
        await commit.promise;
        return value;
      }),
  };
  const opening = open(holding);
  await reached.promise;
  const ending = after(await database.openAnotherPool());
  await until(async () => (await countWaiting({ database })) > 0);
  commit.resolve();
  await ending;
  return await opening;
}

test.each(ENDS)('%s ends a session that is just being opened', async (_what, changes) => {
  const { id } = await enroll();
  const token = await raceBeforeCommit(
    (pool) => enter(id, pool),
    (pool) => updateOperator(pool, id, changes),
  );
  expect(await renewSession(database.pool, token)).toBeNull();
});

// biome-ignore format: table, one case per line
test.each<readonly [string, (pool: Pool, of: Tokens) => Promise<unknown>]>([
  ['a new password', (pool, { id }) => updateOperator(pool, id, NEW_PASSWORD)],
  ['being switched off', (pool, { id }) => updateOperator(pool, id, { active: false })],
  ['signing out', (pool, { second }) => endSession(pool, second)],
  ['a token of before it', (pool, { first }) => renewSession(pool, first)],
])('%s ends a session that is just being renewed', async (_what, end) => {
  const { id } = await enroll();
  const first = await enter(id);
  const second = (await renewSession(database.pool, first))?.refreshToken ?? '';
  const renewed = await raceBeforeCommit(
    (pool) => renewSession(pool, second),
    (pool) => end(pool, { id, first, second }),
  );
  expect(renewed).toMatchObject({ operator: { id } });
  expect(await renewSession(database.pool, renewed?.refreshToken ?? '')).toBeNull();
  const open = 'SELECT hash FROM refresh_tokens WHERE used_at IS NULL AND revoked_at IS NULL';
  expect(await database.queryAsOwner(open)).toEqual([]);
});

test('who is switched off is found no more', async () => {
  const { pool } = database;
  const { id, email } = await enroll();
  const session = await openSession(pool, id, 'none');
  await updateOperator(pool, id, { active: false });
  expect(await findActiveOperator(pool, id, session?.sessionId ?? '')).toBeNull();
  expect(await findOperatorByEmail(pool, email)).toBeNull();
});

test('a session that was ended is over; one that is too old as well', async () => {
  const { pool } = database;
  const { id } = await enroll();
  const ended = await enter(id);
  await endSession(pool, ended);
  expect(await renewSession(pool, ended)).toBeNull();
  const old = await enter(id);
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

test('two passwords are hashed at once, a few wait, and the rest is refused at once', async () => {
  let running = 0;
  let most = 0;
  const started = new Set<number>();
  const end = (id: number) => {
    if (started.delete(id)) running -= 1;
  };
  const receiver = createHook({
    init(id, type) {
      if (type !== 'SCRYPTREQUEST') return;
      started.add(id);
      running += 1;
      most = Math.max(most, running);
    },
    before: end,
  }).enable();
  const ends = await Promise.allSettled(
    Array.from({ length: 30 }, () => isPassword('a long enough password', null)),
  );
  receiver.disable();
  const refused = ends.filter(({ status }) => status === 'rejected');
  expect([most, refused.length]).toEqual([2, 30 - 2 - PASSWORDS_WAITING_MAX]);
  expect(refused).toMatchObject(refused.map(() => ({ reason: expect.any(PasswordsBusyError) })));
  expect(await isPassword('a long enough password', null)).toBe(false);
});
