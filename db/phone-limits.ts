import { z } from 'zod';
import type { PhoneLimit } from '../domain/policy.ts';
import {
  findPaymentByWorkflow,
  type Insertion,
  insertPayment,
  type NewPayment,
} from './payments.ts';
import type { Connection, Pool } from './pool.ts';
import { sql } from './sql.ts';

/** Nothing was stored: the phone has as many payments as it may have. */
export type TooMany = { readonly kind: 'too_many'; readonly retryAfterMs: number };

const countsRow = z.object({ open: z.int(), recent: z.int(), free_in_ms: z.int().nullable() });

/** How long a prompt is waited for, where the phone has too many open payments. */
const OPEN_RETRY_MS = 60_000;

/**
 * As `insertPayment`, unless the payer's phone has too many payments already, of whatever merchant.
 * Requests for one phone go one after the other, in all processes. A payment that is there already
 * is found as ever.
 * @param providers those that ring a phone.
 */
export function insertWithinPhoneLimit(
  pool: Pool,
  next: NewPayment,
  limit: PhoneLimit,
  providers: readonly string[],
): Promise<Insertion | TooMany> {
  const { phoneHash } = next.customer;
  if (phoneHash === null) return insertPayment(pool, next);
  return pool.transaction(async (db) => {
    await lockPhone(db, phoneHash);
    const tooMany = await findTooMany(db, phoneHash, limit, providers);
    if (tooMany === null) return await insertPayment(db, next);
    const isKnown = (await findPaymentByWorkflow(db, next.workflowId)) !== null;
    return isKnown ? await insertPayment(db, next) : tooMany;
  });
}

/** Until the end of the transaction nobody else begins or repeats a prompt on this phone. */
async function lockPhone(db: Connection, phoneHash: Uint8Array): Promise<void> {
  const name = `phone ${Buffer.from(phoneHash).toString('hex')}`;
  await db.query(sql.typeAlias('none')`
    SELECT FROM pg_advisory_xact_lock(hashtextextended(${name}, 0))`);
}

async function findTooMany(
  db: Connection,
  phoneHash: Buffer,
  { open, requests, per_ms }: PhoneLimit,
  providers: readonly string[],
): Promise<TooMany | null> {
  const ofPhone = sql.fragment`phone_hash = ${sql.binary(phoneHash)}
    AND provider = ANY(${sql.array([...providers], 'text')})`;
  // Only the newest rows are read, however many the phone has; ids are in the order of time.
  const row = await db.one(sql.type(countsRow)`
    WITH newest AS MATERIALIZED (
      SELECT status, created_at FROM payments WHERE ${ofPhone}
      ORDER BY id DESC LIMIT ${Math.max(requests, open * OPEN_AMONG)}),
    recent AS (
      SELECT created_at FROM newest WHERE created_at > now() - ${per_ms} * interval '1 millisecond'
      ORDER BY created_at DESC LIMIT ${requests})
    SELECT (SELECT coalesce(sum(1), 0) FROM newest
        WHERE status IN ('created', 'processing', 'requires_action'))::int AS open,
      (SELECT coalesce(sum(1), 0) FROM recent)::int AS recent,
      (SELECT extract(epoch FROM min(created_at) - now()) * 1000 + ${per_ms} FROM recent)::bigint
        AS free_in_ms`);
  if (row.recent >= requests) {
    return { kind: 'too_many', retryAfterMs: Math.max(row.free_in_ms ?? 0, 1_000) };
  }
  return row.open >= open ? { kind: 'too_many', retryAfterMs: OPEN_RETRY_MS } : null;
}

/** Open payments are looked for among so many times as many of the newest. */
const OPEN_AMONG = 10;

/**
 * Whether another payment of ours rings this phone now: it was sent within a prompt's life, and
 * nothing was told of it yet. To be asked with the payment's row locked.
 */
export async function isPhoneRinging(db: Connection, paymentId: string): Promise<boolean> {
  const { phone_hash } = await db.one(sql.type(phoneRow)`
    SELECT phone_hash FROM payments WHERE id = ${paymentId}`);
  if (phone_hash === null) return false;
  await lockPhone(db, phone_hash);
  return await db.exists(sql.typeAlias('id')`
    SELECT p.id FROM payments p JOIN attempts a ON a.id = p.attempt_id
    WHERE p.phone_hash = ${sql.binary(Buffer.from(phone_hash))} AND p.id <> ${paymentId}
      AND p.status = 'processing' AND p.waiting_for IS DISTINCT FROM 'resend'
      AND a.dispatched_at > now() - interval '1 millisecond'
        * coalesce(p.policy->'lookup'->>'prompt_life_ms',
          p.policy->'lookup'->>'window_ms')::bigint`);
}

const phoneRow = z.object({ phone_hash: z.instanceof(Uint8Array).nullable() });
