import type { Payment } from '../domain/payment.ts';
import type { Refund } from '../domain/refund.ts';
import type { Connection } from './pool.ts';
import { toPayment, toRefund } from './rows.ts';
import { PAYMENT_COLUMNS, REFUND_COLUMNS, sql } from './sql.ts';

/** Which of what waits for a decision. */
export type QueueFilter = {
  readonly merchantId: string | null;
  readonly reviewReason: string | null;
  /** Goes on after this one of an earlier page. */
  readonly afterId: string | null;
  readonly limit: number;
};

/** Payments that wait for a decision, oldest first. */
export async function listPaymentsInReview(
  db: Connection,
  filter: QueueFilter,
): Promise<readonly Payment[]> {
  const rows = await db.any(sql.typeAlias('payment')`
    SELECT ${PAYMENT_COLUMNS} FROM payments p WHERE ${isQueued(filter)}
    ORDER BY id LIMIT ${filter.limit}`);
  return rows.map(toPayment);
}

/** The same for refunds. */
export async function listRefundsInReview(
  db: Connection,
  filter: QueueFilter,
): Promise<readonly Refund[]> {
  const rows = await db.any(sql.typeAlias('refund')`
    SELECT ${REFUND_COLUMNS} FROM refunds r WHERE ${isQueued(filter)}
    ORDER BY id LIMIT ${filter.limit}`);
  return rows.map(toRefund);
}

function isQueued({ merchantId, reviewReason, afterId }: QueueFilter) {
  const where = [sql.fragment`status = 'needs_review'`];
  if (merchantId !== null) where.push(sql.fragment`merchant_id = ${merchantId}`);
  if (reviewReason !== null) where.push(sql.fragment`review_reason = ${reviewReason}`);
  if (afterId !== null) where.push(sql.fragment`id > ${afterId}`);
  return sql.join(where, sql.fragment` AND `);
}
