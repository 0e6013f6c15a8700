import type { Payment } from '../domain/payment.ts';
import type { UnmatchedReceiptResolution } from '../domain/unmatched-receipt.ts';
import { appendAudit } from './audit.ts';
import type { Connection, Pool } from './pool.ts';
import { lockPayment, notify } from './record.ts';
import { toPayment } from './rows.ts';
import { PAYMENT_COLUMNS, sql } from './sql.ts';

/** Payments with money beside their own that nobody has decided about, oldest first. */
export async function listOpenUnmatchedReceipts(
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
    WHERE unmatched_receipts @> '[{"status": "open"}]'
      AND (${filter.merchantId}::text IS NULL OR merchant_id = ${filter.merchantId})
      AND (${filter.afterId}::text IS NULL OR id > ${filter.afterId})
    ORDER BY id LIMIT ${filter.limit}`);
  return rows.map(toPayment);
}

/**
 * Writes down what became of money beside a payment's own. It moves no money and no status.
 * @returns false when there is nothing open under this id.
 */
export function resolveUnmatchedReceipt(
  pool: Pool,
  resolved: {
    readonly paymentId: string;
    readonly providerPaymentId: string;
    readonly resolution: UnmatchedReceiptResolution;
    readonly reason: string;
    readonly operatorId: string;
  },
): Promise<boolean> {
  const { paymentId, providerPaymentId, resolution, reason, operatorId } = resolved;
  return pool.transaction(async (db) => {
    const payment = await lockPayment(db, paymentId);
    const index = payment.unmatched_receipts.findIndex(
      (it) => it.providerPaymentId === providerPaymentId && it.status === 'open',
    );
    const found = payment.unmatched_receipts[index];
    if (found === undefined) return false;
    const receipts = payment.unmatched_receipts.with(index, { ...found, status: resolution });
    await db.query(sql.typeAlias('none')`
      UPDATE payments SET unmatched_receipts = ${sql.jsonb(receipts)}, updated_at = now()
      WHERE id = ${paymentId}`);
    await appendAudit(db, {
      paymentId,
      key: `unmatched-receipt/${found.eventId}`,
      action: 'payment.unmatched_receipt_resolved',
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
