import { z } from 'zod';
import { makeApiKey } from '../../db/api-key.ts';
import { listApiKeys } from '../../db/api-keys.ts';
import { ensureApiKey } from '../../db/merchants.ts';
import { sql } from '../../db/sql.ts';
import { SCOPE_NAMES, type Scope } from '../../domain/access.ts';
import { makeId } from '../../domain/id.ts';
import { createChance } from './chance.ts';
import type { Parts } from './parts.ts';
import { DAYS } from './plan.ts';
import { SHOPS, type Shop } from './shops.ts';

const LOOKED_BACK_MS = (DAYS + 1) * 86_400_000;
/** Fixed, so that ids of one seed are the same in every database. */
const ID_MS = Date.UTC(2026, 0, 5, 6);
const KEYS: readonly { readonly name: string; readonly scopes: readonly Scope[] }[] = [
  { name: 'Web shop', scopes: SCOPE_NAMES },
  { name: 'Reports', scopes: SCOPE_NAMES.filter((scope) => scope.endsWith(':read')) },
];

export type DemoMerchant = { readonly id: string; readonly shop: Shop };

/**
 * The demo's merchants, enrolled the day before the first payment. The moment from which the demo
 * looks back follows from that, so that a run that was cut off goes on with the same times.
 */
export async function storeMerchants(
  { pool, seed }: Parts,
  nowMs: number,
): Promise<{ readonly merchants: readonly DemoMerchant[]; readonly anchorMs: number }> {
  const random = createChance(seed, 'merchants');
  const merchants = SHOPS.map((shop) => ({
    id: makeId('merchant', { nowMs: ID_MS, random: random.bytes(10) }),
    shop,
  }));
  const enrolled = new Date(nowMs - LOOKED_BACK_MS).toISOString();
  for (const { id, shop } of merchants) {
    await pool.query(sql.typeAlias('none')`
      INSERT INTO merchants (id, name, created_at)
      VALUES (${id}, ${shop.name}, ${enrolled}) ON CONFLICT (id) DO NOTHING`);
  }
  const { created_at } = await pool.one(sql.type(z.object({ created_at: z.string() }))`
    SELECT min(created_at) AS created_at FROM merchants
    WHERE id = ANY(${sql.array(
      merchants.map(({ id }) => id),
      'text',
    )})`);
  return { merchants, anchorMs: Date.parse(created_at) + LOOKED_BACK_MS };
}

/**
 * Gives a merchant the keys that it lacks. They are random: one that follows from a seed would open
 * every demo there is.
 * @returns the new ones, told this once.
 */
export async function storeKeys(
  { pool }: Parts,
  { id: merchantId }: DemoMerchant,
): Promise<readonly { readonly name: string; readonly apiKey: string }[]> {
  const page = { isLiveOnly: false, beforeId: null, limit: 1_000 };
  const there = new Set((await listApiKeys(pool, merchantId, page)).map(({ name }) => name));
  const made = KEYS.filter(({ name }) => !there.has(name)).map((key) => ({
    ...key,
    apiKey: makeApiKey('test'),
  }));
  for (const key of made) {
    await ensureApiKey(pool, { merchantId, ...key, createdBy: 'npm run seed' });
  }
  return made;
}
