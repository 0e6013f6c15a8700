import { z } from 'zod';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';

const reservedRow = z.object({ id: z.string(), counted: z.int() });

/**
 * Makes room on a payment for money that is known to have left it. Refunds of ours that only
 * reserved theirs give way, the newest first: what left already, the provider cannot give back a
 * second time. What they lose counts as beyond the money that was taken (`amount_over`). The caller
 * holds the payment's row lock.
 * @returns how much room was made; less than wanted where not so much was reserved.
 */
export async function takeFromReserved(
  db: Connection,
  paymentId: string,
  wantedMinor: number,
): Promise<number> {
  if (wantedMinor <= 0) return 0;
  const reserved = await db.any(sql.type(reservedRow)`
    SELECT id, amount - amount_over AS counted FROM refunds
    WHERE payment_id = ${paymentId} AND status IN ('pending', 'needs_review')
      AND origin = 'malipo' AND amount_over < amount
    ORDER BY id DESC FOR UPDATE`);
  let taken = 0;
  for (const { id, counted } of reserved) {
    const part = Math.min(counted, wantedMinor - taken);
    if (part === 0) break;
    await db.query(sql.typeAlias('none')`
      UPDATE refunds SET amount_over = amount_over + ${part} WHERE id = ${id}`);
    taken += part;
  }
  if (taken > 0) {
    await db.query(sql.typeAlias('none')`
      UPDATE payments SET amount_reserved = amount_reserved - ${taken} WHERE id = ${paymentId}`);
  }
  return taken;
}
