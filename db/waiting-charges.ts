import { z } from 'zod';
import type { Payment } from '../domain/payment.ts';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';

const countRow = z.object({ waiting: z.int() });

/** Not sent yet, and nobody holds it back. */
const IS_WAITING = sql.fragment`status = 'created' AND waiting_for IS DISTINCT FROM 'resume'`;

/**
 * How many payments of a merchant wait for their turn at a provider, counted no further than
 * `most`: those of payments_by_merchant_status that were never sent.
 */
export async function countWaitingCharges(
  db: Connection,
  { merchantId, provider }: { readonly merchantId: string; readonly provider: string },
  most: number,
): Promise<number> {
  const { waiting } = await db.one(sql.type(countRow)`
    SELECT count(id) AS waiting FROM (
      SELECT id FROM payments
      WHERE merchant_id = ${merchantId} AND provider = ${provider} AND ${IS_WAITING}
      LIMIT ${most}) AS counted`);
  return waiting;
}

/** How many of the same merchant's came before it, counted no further than `most`. */
export async function countWaitingBefore(
  db: Connection,
  { id, merchantId, provider }: Pick<Payment, 'id' | 'merchantId' | 'provider'>,
  most: number,
): Promise<number> {
  const { waiting } = await db.one(sql.type(countRow)`
    SELECT count(id) AS waiting FROM (
      SELECT id FROM payments
      WHERE merchant_id = ${merchantId} AND provider = ${provider} AND ${IS_WAITING} AND id < ${id}
      LIMIT ${most}) AS counted`);
  return waiting;
}
