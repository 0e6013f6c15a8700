import type { Payment } from '../domain/payment.ts';
import type { SurplusResolution } from '../domain/surplus.ts';
import { appendAudit } from './audit.ts';
import type { Connection, Pool } from './pool.ts';
import { lockPayment, notify } from './record.ts';
import { toPayment } from './rows.ts';
import { PAYMENT_COLUMNS, sql } from './sql.ts';

/** Payments with money beside their own that nobody has decided about, oldest first. */
export async function listOpenSurplus(
  db: Connection,
  filter: {
    readonly merchantId: string | null;
    /** Goes on after this one of an earlier page. */
    readonly afterId: string | null;
    readonly limit: number;
  },
): Promise<readonly Payment[]> {
  const rows = await db.any(sql.typeAlias('payment')`
    SELECT ${PAYMENT_COLUMNS} FROM payments p
    WHERE surplus @> '[{"status": "open"}]'
      AND (${filter.merchantId}::text IS NULL OR merchant_id = ${filter.merchantId})
      AND (${filter.afterId}::text IS NULL OR id > ${filter.afterId})
    ORDER BY id LIMIT ${filter.limit}`);
  return rows.map(toPayment);
}

/**
 * Writes down what became of money beside a payment's own. It moves no money and no status.
 * @returns false when there is nothing open under this id.
 */
export function resolveSurplus(
  pool: Pool,
  resolved: {
    readonly paymentId: string;
    readonly providerPaymentId: string;
    readonly resolution: SurplusResolution;
    readonly reason: string;
    readonly operatorId: string;
  },
): Promise<boolean> {
  const { paymentId, providerPaymentId, resolution, reason, operatorId } = resolved;
  return pool.transaction(async (db) => {
    const payment = await lockPayment(db, paymentId);
    const index = payment.surplus.findIndex(
      (it) => it.providerPaymentId === providerPaymentId && it.status === 'open',
    );
    const found = payment.surplus[index];
    if (found === undefined) return false;
    const surplus = payment.surplus.with(index, { ...found, status: resolution });
    await db.query(sql.typeAlias('none')`
      UPDATE payments SET surplus = ${sql.jsonb(surplus)}, updated_at = now()
      WHERE id = ${paymentId}`);
    await appendAudit(db, {
      paymentId,
      key: `surplus/${found.eventId}`,
      action: 'payment.surplus_resolved',
      from: payment.status,
      to: payment.status,
      actor: 'operator',
      cause: `${operatorId}: ${resolution}: ${reason}`,
      details: { webhook_event: found.eventId },
    });
    await notify(db, paymentId);
    return true;
  });
}
