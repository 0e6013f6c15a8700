import { z } from 'zod';
import type { Delivery } from '../../db/deliveries.ts';
import type { Connection } from '../../db/pool.ts';
import { sql } from '../../db/sql.ts';
import { insertEndpoint } from '../../db/webhook-endpoints.ts';
import { makeId } from '../../domain/id.ts';
import { type Chance, createChance } from './chance.ts';
import type { DemoMerchant } from './merchants.ts';
import type { Parts } from './parts.ts';

const eventRow = z.object({ id: z.string(), type: z.string(), about: z.string(), at: z.string() });
type Event = z.infer<typeof eventRow>;
const BATCH = 200;
/** Demo data fits beside whatever is there. */
const ENDPOINTS_MAX = 100;

type Fate = {
  readonly status: Exclude<Delivery['status'], 'pending'>;
  /** Of each try; null: none came. */
  readonly answers: readonly (number | null)[];
};
/** What becomes of a delivery, and how often. */
// table
const FATES: readonly (readonly [Fate, number])[] = [
  [{ status: 'succeeded', answers: [200] }, 94],
  [{ status: 'succeeded', answers: [503, 200] }, 3],
  [{ status: 'succeeded', answers: [null, 503, 200] }, 1],
  [{ status: 'failed', answers: [500, 500, 503, null, null, 500, 500, 500, 500, 500] }, 1],
  [{ status: 'canceled', answers: [404, 404] }, 1],
];

/**
 * Gives a merchant an endpoint, and its deliveries of what happened before. The endpoint comes
 * last, or a worker would really send all that; what happens from now on it does send.
 * @returns how many deliveries were written.
 */
export async function storeDeliveries(
  { pool, owner, vault, seed }: Parts,
  { id: merchantId, shop }: DemoMerchant,
): Promise<number> {
  const url = `https://${shop.host}/webhooks`;
  const next = { merchantId, url, description: 'Orders (demo data)', eventTypes: [] };
  // Run again, it answers with the endpoint of before.
  const made = await insertEndpoint(pool, vault, next, ENDPOINTS_MAX);
  if (made === null) throw new Error(`${merchantId} has ${ENDPOINTS_MAX} endpoints already`);
  const { endpoint } = made;
  await owner.query(sql.typeAlias('none')`
    UPDATE webhook_endpoints w SET created_at = m.created_at, updated_at = m.created_at
    FROM merchants m WHERE w.id = ${endpoint.id} AND m.id = ${merchantId}
      AND w.created_at > m.created_at`);
  let written = 0;
  for (let events = await listUntold(pool, merchantId); events.length > 0; ) {
    await pool.transaction(async (db) => {
      for (const event of events) {
        const chance = createChance(seed, `delivery ${event.type} ${event.about}`);
        await storeDelivery(db, chance, event, { id: endpoint.id, merchantId });
      }
    });
    written += events.length;
    events = await listUntold(pool, merchantId);
  }
  return written;
}

/** Events that no endpoint was told of, of the kinds that endpoints are told. */
async function listUntold(db: Connection, merchantId: string): Promise<readonly Event[]> {
  return await db.any(sql.type(eventRow)`
    SELECT id, type, coalesce(refund_id, payment_id) AS about, created_at AS at
    FROM outgoing_events e
    WHERE merchant_id = ${merchantId} AND payment_id IS NOT NULL AND type NOT LIKE '%.updated'
      AND NOT EXISTS (SELECT FROM deliveries WHERE event_id = e.id)
    ORDER BY tx, position LIMIT ${BATCH}`);
}

async function storeDelivery(
  db: Connection,
  chance: Chance,
  event: Event,
  endpoint: { readonly id: string; readonly merchantId: string },
): Promise<void> {
  const { status, answers } = chance.weigh(FATES);
  const createdMs = Date.parse(event.at) + chance.between(20, 400);
  const id = makeId('delivery', { nowMs: createdMs, random: chance.bytes(10) });
  const atOf = (ordinal: number) => new Date(createdMs + (4 ** (ordinal - 1) - 1) * 5_000);
  const ended = atOf(answers.length).toISOString();
  await db.query(sql.typeAlias('none')`
    INSERT INTO deliveries (id, event_id, endpoint_id, merchant_id, status, dispatched_run,
      attempt_count, run_attempts, created_at, updated_at)
    VALUES (${id}, ${event.id}, ${endpoint.id}, ${endpoint.merchantId}, ${status}, 1,
      ${answers.length}, ${answers.length}, ${new Date(createdMs).toISOString()}, ${ended})`);
  for (const [index, code] of answers.entries()) {
    await db.query(sql.typeAlias('none')`
      INSERT INTO delivery_attempts (delivery_id, ordinal, at, duration_ms, status_code, error)
      VALUES (${id}, ${index + 1}, ${atOf(index + 1).toISOString()},
        ${code === null ? 10_000 : chance.between(40, 900)}, ${code},
        ${code === null ? 'no answer within 10 s' : null})`);
  }
}
