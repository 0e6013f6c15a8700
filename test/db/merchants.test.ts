import { authenticate, ensureApiKey, ensureMerchant } from '../../db/merchants.ts';
import type { Pool } from '../../db/pool.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT } from '../factories.ts';

const API_KEY = 'sk_test_4Xk9QmZr7Lw2Vb8Nc3Yt';

let database: TestDatabase;
let pool: Pool;
beforeEach(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
  await ensureApiKey(pool, {
    merchantId: MERCHANT.id,
    apiKey: API_KEY,
    scopes: ['payments:write'],
  });
});
afterEach(() => database.close());

async function findKey() {
  const [key] = await database.queryAsOwner<{ id: string; last_used_at: Date | null }>(
    'TABLE api_keys',
  );
  return key;
}
const setKey = (assignment: string) => database.queryAsOwner(`UPDATE api_keys SET ${assignment}`);

test('a key tells whose it is and what it may do', async () => {
  expect(await authenticate(pool, API_KEY)).toEqual({
    apiKeyId: (await findKey())?.id,
    merchantId: MERCHANT.id,
    scopes: ['payments:write'],
    expiresAtMs: null,
  });
});

const UNKNOWN = ['', 'sk_test_', API_KEY.slice(0, 12), `${API_KEY} `, API_KEY.toLowerCase()];

test.each(UNKNOWN)('%j is nobody’s key', async (apiKey) => {
  expect(await authenticate(pool, apiKey)).toBeNull();
  expect((await findKey())?.last_used_at).toBeNull();
});

const LIFE = [
  { assignment: 'revoked_at = now()', isGood: false },
  { assignment: "revoked_at = now() + interval '1 day'", isGood: false },
  { assignment: "expires_at = now() - interval '1 second'", isGood: false },
  { assignment: "expires_at = now() + interval '1 hour'", isGood: true },
];

test.each(LIFE)('with $assignment a key is good: $isGood', async ({ assignment, isGood }) => {
  await setKey(assignment);
  expect((await authenticate(pool, API_KEY)) !== null).toBe(isGood);
  expect((await findKey())?.last_used_at !== null).toBe(isGood);
});

test('the last use is written down, at most once a minute', async () => {
  expect((await findKey())?.last_used_at).toBeNull();
  await authenticate(pool, API_KEY);
  const first = (await findKey())?.last_used_at;
  expect(first).toBeInstanceOf(Date);
  await authenticate(pool, API_KEY);
  expect((await findKey())?.last_used_at).toEqual(first);
  await setKey("last_used_at = now() - interval '61 seconds'");
  await authenticate(pool, API_KEY);
  expect(Number((await findKey())?.last_used_at)).toBeGreaterThanOrEqual(Number(first));
});

test('the key itself is stored nowhere, only its first characters', async () => {
  const [row] = await database.queryAsOwner<{ text: string }>(
    'SELECT k::text AS text FROM api_keys k',
  );
  expect(row?.text).toContain(API_KEY.slice(0, 12));
  expect(row?.text).not.toContain(API_KEY.slice(8));
  expect(row?.text).not.toContain(Buffer.from(API_KEY.slice(8)).toString('hex'));
});

test('seeding twice, or twice at once, keeps one merchant with one key', async () => {
  const seed = async () => {
    await ensureMerchant(pool, { ...MERCHANT, name: 'Another name' });
    await ensureApiKey(pool, { merchantId: MERCHANT.id, apiKey: API_KEY });
  };
  await Promise.all([seed(), seed()]);
  expect(await database.queryAsOwner('TABLE merchants')).toMatchObject([MERCHANT]);
  expect(await database.queryAsOwner('TABLE api_keys')).toHaveLength(1);
});
