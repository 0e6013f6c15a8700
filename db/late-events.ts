import type { ProviderEvent } from '../domain/outcome.ts';
import type { Payment } from '../domain/payment.ts';
import type { Refund, RefundNews } from '../domain/refund.ts';
import { isOldNews, isOldNewsOfRefund } from '../domain/repeated-event.ts';
import { findPaymentByWorkflow } from './payments.ts';
import type { Connection } from './pool.ts';
import { findRefundByWorkflow } from './refunds.ts';
import type { WebhookEvent } from './rows.ts';
import { sql } from './sql.ts';

/** What a late callback is about; or that it repeats what is known, or is about nothing of ours. */
export async function findLatePayment(
  db: Connection,
  workflowId: string,
  event: ProviderEvent,
): Promise<Payment | 'nothing_new' | 'unknown'> {
  const payment = await findPaymentByWorkflow(db, workflowId);
  if (payment === null) return 'unknown';
  return isOldNews(payment, event) ? 'nothing_new' : payment;
}

/** The same for a refund. */
export async function findLateRefund(
  db: Connection,
  workflowId: string,
  event: RefundNews,
): Promise<{ readonly refund: Refund; readonly payment: Payment } | 'nothing_new' | 'unknown'> {
  const found = await findRefundByWorkflow(db, workflowId);
  if (found === null) return 'unknown';
  return isOldNewsOfRefund(found.refund, event) ? 'nothing_new' : found;
}

/**
 * Whether the workflow that a callback names hears of it: as its payment's, or as the one that a
 * token proves where the row is gone (ADR 0016).
 */
export async function isForWorkflow(
  db: Connection,
  { account, workflow_id, payment_id }: WebhookEvent,
): Promise<boolean> {
  if (workflow_id === null) return false;
  return payment_id !== null || (account === null && (await isRowMissing(db, workflow_id)));
}

/** Whether no row has this workflow: there was none, or the database was put back. */
async function isRowMissing(db: Connection, workflowId: string): Promise<boolean> {
  const row = await db.maybeOne(sql.typeAlias('id')`
    SELECT id FROM payments WHERE workflow_id = ${workflowId}
    UNION ALL SELECT id FROM refunds WHERE workflow_id = ${workflowId}`);
  return row === null;
}
