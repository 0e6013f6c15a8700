import type { Refund } from '../domain/refund.ts';
import { isRefundClosed } from '../domain/refund-states.ts';
import type { RestoredRefund, RestoreRefundRequest } from '../domain/restore.ts';
import { appendAudit } from './audit.ts';
import { restoredKey } from './missing-row.ts';
import type { Connection, Pool } from './pool.ts';
import { notify } from './record.ts';
import { findLeft } from './refund-money.ts';
import type { NewRefund } from './refunds.ts';
import { toRefund } from './rows.ts';
import { REFUND_COLUMNS, sql } from './sql.ts';

/**
 * As `restorePayment`, for a refund. What of it the payment's row does not hold, since that was put
 * back as well, counts as beyond it.
 * @returns null while its payment is gone: it comes back by that one's own run.
 */
export function restoreRefund(
  pool: Pool,
  run: RestoreRefundRequest,
): Promise<RestoredRefund | null> {
  return pool.transaction(async (db) => {
    const found = await db.maybeOne(sql.typeAlias('refund')`
      SELECT ${REFUND_COLUMNS} FROM refunds r WHERE workflow_id = ${run.workflowId}`);
    const paymentId = found?.payment_id ?? run.paymentId;
    const payment = await db.maybeOne(sql.typeAlias('id')`
      SELECT id FROM payments WHERE id = ${paymentId} FOR UPDATE`);
    if (payment === null) return null;
    if (found?.id === run.refundId) return { refundId: found.id, paymentId };
    if (found === null) await insertRow(db, run);
    const refundId = found?.id ?? run.refundId;
    await sendToReview(db, { refundId, paymentId }, run, found === null);
    await notify(db, paymentId);
    return { refundId, paymentId };
  });
}

async function insertRow(db: Connection, run: RestoreRefundRequest): Promise<void> {
  const leftMinor = await findLeft(db, run.paymentId);
  const heldMinor = Math.min(run.amountMinor, leftMinor);
  await db.query(sql.typeAlias('none')`
    INSERT INTO refunds (id, payment_id, merchant_id, idempotency_key, fingerprint, workflow_id,
      credentials_ref, status, amount, amount_over, currency)
    VALUES (${run.refundId}, ${run.paymentId}, ${run.merchantId}, ${restoredKey(run.workflowId)},
      '', ${run.workflowId}, ${run.credentialsRef}, 'pending', ${run.amountMinor},
      ${run.amountMinor - heldMinor}, ${run.currency})`);
  await db.query(sql.typeAlias('none')`
    UPDATE payments SET amount_reserved = amount_reserved + ${heldMinor}, updated_at = now()
    WHERE id = ${run.paymentId}`);
}

async function sendToReview(
  db: Connection,
  { refundId, paymentId }: RestoredRefund,
  run: RestoreRefundRequest,
  isBuilt: boolean,
): Promise<void> {
  const { status } = toRefund(
    await db.one(sql.typeAlias('refund')`
      SELECT ${REFUND_COLUMNS} FROM refunds r WHERE id = ${refundId} FOR UPDATE`),
  );
  const to = isRefundClosed(status) ? status : 'needs_review';
  if (to !== status) {
    await db.query(sql.typeAlias('none')`
      UPDATE refunds SET status = ${to}, review_reason = 'no_answer', waiting_for = 'review',
        wait_until = NULL, dispatch_count = greatest(dispatch_count, 1),
        dispatched_at = coalesce(dispatched_at, now()),
        provider_refund_id = coalesce(provider_refund_id, ${run.providerRefundId}),
        updated_at = now()
      WHERE id = ${refundId}`);
  }
  const how = isBuilt
    ? 'its row was gone: it is built of what its workflow knows'
    : `the workflow of ${run.refundId}, which is gone, goes on with this refund`;
  await appendAudit(db, {
    paymentId,
    key: `${refundId}/restored`,
    action: 'refund.reopened',
    from: status,
    to,
    actor: 'workflow',
    cause: `${how}; the database lost what was written`,
    details: { refund: refundId },
  });
}

/** As `findRestored`, for a refund: the one that this request made before; null for none. */
export async function findRestoredRefund(db: Connection, next: NewRefund): Promise<Refund | null> {
  const row = await db.maybeOne(sql.typeAlias('refund')`
    UPDATE refunds AS r SET idempotency_key = ${next.idempotencyKey},
      fingerprint = ${next.fingerprint}, reason = ${next.reason},
      metadata = ${sql.jsonb(next.metadata)}, updated_at = now()
    WHERE workflow_id = ${next.workflowId} AND payment_id = ${next.paymentId}
      AND idempotency_key = ${restoredKey(next.workflowId)}
      AND (${next.amountMinor}::bigint IS NULL OR amount = ${next.amountMinor})
    RETURNING ${REFUND_COLUMNS}`);
  return row === null ? null : toRefund(row);
}
