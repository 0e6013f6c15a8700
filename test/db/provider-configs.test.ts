import { randomBytes } from 'node:crypto';
import { ensureMerchant } from '../../db/merchants.ts';
import type { Pool } from '../../db/pool.ts';
import {
  findProviderConfig,
  type NewProviderConfig,
  openCredentials,
  openCredentialVersions,
  referTo,
  saveProviderConfig,
  setProviderConfigActive,
} from '../../db/provider-configs.ts';
import { createVault, type DataKey } from '../../db/vault.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT } from '../factories.ts';

const HASH_KEY = randomBytes(32);
const OLD: DataKey = { id: 'old', key: randomBytes(32) };
const vault = createVault([OLD], HASH_KEY);

let database: TestDatabase;
let pool: Pool;
beforeEach(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
});
afterEach(() => database.close());

function save(changes: Partial<NewProviderConfig> = {}) {
  return saveProviderConfig(pool, vault, {
    merchantId: MERCHANT.id,
    provider: 'stripe',
    environment: 'sandbox',
    active: true,
    policyOverride: {},
    credentials: { secret_key: 'sk_test_first' },
    shown: { secret_key: '••••irst' },
    account: 'sandbox',
    ...changes,
  });
}

test('a change is a new version, and the former one still opens', async () => {
  const first = await save();
  const second = await save({ credentials: { secret_key: 'sk_test_second' } });
  expect([second.id, second.version]).toEqual([first.id, 2]);
  expect(await openCredentials(pool, vault, referTo(first))).toEqual({
    secret_key: 'sk_test_first',
  });
  expect(await openCredentials(pool, vault, referTo(second))).toEqual({
    secret_key: 'sk_test_second',
  });
  const versions = await openCredentialVersions(pool, vault, first.id);
  expect(versions.map((it) => it?.secret_key)).toEqual(['sk_test_second', 'sk_test_first']);
});

test('a merchant’s own counts before the default, and the default before none', async () => {
  expect(await findProviderConfig(pool, MERCHANT.id, 'stripe')).toBeNull();
  const common = await save({ merchantId: null });
  expect((await findProviderConfig(pool, MERCHANT.id, 'stripe'))?.id).toBe(common.id);
  const own = await save();
  expect((await findProviderConfig(pool, MERCHANT.id, 'stripe'))?.id).toBe(own.id);
});

test('switching off changes no more; the default is not a merchant’s to switch', async () => {
  await save({ merchantId: null });
  expect(await setProviderConfigActive(pool, MERCHANT.id, 'stripe', false)).toBeNull();
  const { version } = await save();
  expect(await setProviderConfigActive(pool, MERCHANT.id, 'stripe', false)).toMatchObject({
    active: false,
    version,
  });
});

test('many changes at once leave one row and as many versions', async () => {
  const saved = await Promise.all(Array.from({ length: 10 }, () => save()));
  expect(new Set(saved.map(({ id }) => id)).size).toBe(1);
  const versions = saved.map(({ version }) => version).sort((a, b) => a - b);
  expect(versions).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test('no secret stands in clear, and a ciphertext moved elsewhere does not open', async () => {
  const config = await save();
  const rows = await database.queryAsOwner<{ row: string }>(
    'SELECT k::text AS row FROM provider_credentials k',
  );
  expect(rows.map(({ row }) => row).join()).not.toMatch(/sk_test_first/);
  await save();
  await database.queryAsOwner(
    `UPDATE provider_credentials SET credentials_cipher =
       (SELECT credentials_cipher FROM provider_credentials WHERE version = 1) WHERE version = 2`,
  );
  const moved = referTo({ id: config.id, version: 2 });
  await expect(openCredentials(pool, vault, moved)).rejects.toThrow();
});

test.each(['', 'env:stripe', 'config:pcf_1@1', `config:pcf_${'0'.repeat(32)}@1`])(
  '%j refers to nothing',
  async (ref) => {
    expect(await openCredentials(pool, vault, ref)).toBeNull();
  },
);
