import { disputeAgainstRefund } from '../domain/dispute.ts';
import type { Payment } from '../domain/payment.ts';
import { type Refund, refundableMinor } from '../domain/refund.ts';
import { appendAudit } from './audit.ts';
import type { Connection, Pool } from './pool.ts';
import { referToNewest } from './provider-configs.ts';
import { findRestoredRefund } from './restore-refund.ts';
import { toPayment, toRefund } from './rows.ts';
import { isOverdue, PAYMENT_COLUMNS, REFUND_COLUMNS, sql } from './sql.ts';

export type NewRefund = {
  readonly id: string;
  readonly paymentId: string;
  readonly merchantId: string;
  readonly idempotencyKey: string;
  readonly fingerprint: string;
  readonly workflowId: string;
  /** Null: all that is left. */
  readonly amountMinor: number | null;
  readonly reason: string | null;
  readonly metadata: Readonly<Record<string, string>>;
};

export type RefundInsertion =
  | { readonly kind: 'inserted' | 'replayed'; readonly refund: Refund; readonly payment: Payment }
  | { readonly kind: 'not_succeeded'; readonly payment: Payment }
  | { readonly kind: 'disputed'; readonly payment: Payment }
  | { readonly kind: 'too_much'; readonly payment: Payment; readonly leftMinor: number };

/**
 * Writes a refund down and reserves its money on the payment, or finds the refund that the
 * merchant's key already made. The payment's row lock puts any number of refunds in a row, and a
 * CHECK of the database stands behind the arithmetic. It keeps the credentials that it is written
 * down with (ADR 0007).
 */
export function insertRefund(pool: Pool, next: NewRefund): Promise<RefundInsertion> {
  return pool.transaction(async (db) => {
    const payment = toPayment(
      await db.one(sql.typeAlias('payment')`
        SELECT ${PAYMENT_COLUMNS} FROM payments p
        WHERE p.id = ${next.paymentId} AND p.merchant_id = ${next.merchantId} FOR UPDATE`),
    );
    const earlier =
      (await findByKey(db, next.merchantId, next.idempotencyKey)) ??
      (await findRestoredRefund(db, next));
    if (earlier !== null) return { kind: 'replayed', refund: earlier, payment };
    if (payment.status !== 'succeeded') return { kind: 'not_succeeded', payment };
    if (disputeAgainstRefund(payment.disputes) !== null) return { kind: 'disputed', payment };
    const leftMinor = refundableMinor(payment);
    const amountMinor = next.amountMinor ?? leftMinor;
    if (amountMinor > leftMinor || leftMinor === 0) return { kind: 'too_much', payment, leftMinor };
    const credentialsRef = await referToNewest(db, payment.credentialsRef);
    const row = await db.maybeOne(sql.typeAlias('refund')`
      INSERT INTO refunds AS r (id, payment_id, merchant_id, idempotency_key, fingerprint,
        workflow_id, credentials_ref, status, amount, currency, reason, metadata)
      VALUES (${next.id}, ${payment.id}, ${next.merchantId}, ${next.idempotencyKey},
        ${next.fingerprint}, ${next.workflowId}, ${credentialsRef}, 'pending', ${amountMinor},
        ${payment.currency}, ${next.reason}, ${sql.jsonb(next.metadata)})
      ON CONFLICT DO NOTHING
      RETURNING ${REFUND_COLUMNS}`);
    if (row === null) {
      const raced =
        (await findByKey(db, next.merchantId, next.idempotencyKey)) ??
        (await findByWorkflow(db, next.workflowId));
      if (raced === null) throw new Error('a refund is neither new nor there');
      return { kind: 'replayed', refund: raced, payment };
    }
    await reserve(db, payment, toRefund(row));
    return { kind: 'inserted', refund: toRefund(row), payment };
  });
}

async function findByKey(db: Connection, merchantId: string, key: string): Promise<Refund | null> {
  const row = await db.maybeOne(sql.typeAlias('refund')`
    SELECT ${REFUND_COLUMNS} FROM refunds r
    WHERE merchant_id = ${merchantId} AND idempotency_key = ${key}`);
  return row === null ? null : toRefund(row);
}

/** Of one key; another one stands on a row that was built anew for another amount. */
async function findByWorkflow(db: Connection, workflowId: string): Promise<Refund | null> {
  const row = await db.maybeOne(sql.typeAlias('refund')`
    SELECT ${REFUND_COLUMNS} FROM refunds r WHERE workflow_id = ${workflowId}`);
  return row === null ? null : toRefund(row);
}

async function reserve(db: Connection, payment: Payment, refund: Refund): Promise<void> {
  await db.query(sql.typeAlias('none')`
    UPDATE payments SET amount_reserved = amount_reserved + ${refund.amountMinor},
      updated_at = now() WHERE id = ${payment.id}`);
  await appendAudit(db, {
    paymentId: payment.id,
    key: `${refund.id}/created`,
    action: 'refund.created',
    from: null,
    to: refund.status,
    actor: 'merchant',
    cause: refund.reason ?? 'no reason given',
    details: { refund: refund.id, amount: refund.amountMinor },
  });
}

/** One refund of a merchant's payment; null when it is not there or another merchant's. */
export async function findRefund(
  db: Connection,
  merchantId: string,
  id: string,
): Promise<Refund | null> {
  const row = await db.maybeOne(sql.typeAlias('refund')`
    SELECT ${REFUND_COLUMNS} FROM refunds r WHERE id = ${id} AND merchant_id = ${merchantId}`);
  return row === null ? null : toRefund(row);
}

/** Whosever it is; for operators. */
export async function findAnyRefund(db: Connection, id: string): Promise<Refund | null> {
  const row = await db.maybeOne(sql.typeAlias('refund')`
    SELECT ${REFUND_COLUMNS} FROM refunds r WHERE id = ${id}`);
  return row === null ? null : toRefund(row);
}

/** Refunds of a payment, oldest first. @param afterId goes on after this one of an earlier page. */
export async function listRefunds(
  db: Connection,
  paymentId: string,
  afterId: string | null,
  limit: number,
): Promise<readonly Refund[]> {
  const rows = await db.any(sql.typeAlias('refund')`
    SELECT ${REFUND_COLUMNS} FROM refunds r
    WHERE payment_id = ${paymentId} AND (${afterId}::text IS NULL OR id > ${afterId})
    ORDER BY id LIMIT ${limit}`);
  return rows.map(toRefund);
}

/** By workflow id, with its payment; null when there is none. */
export async function findRefundByWorkflow(
  db: Connection,
  workflowId: string,
): Promise<{ readonly refund: Refund; readonly payment: Payment } | null> {
  const row = await db.maybeOne(sql.typeAlias('refund')`
    SELECT ${REFUND_COLUMNS} FROM refunds r WHERE workflow_id = ${workflowId}`);
  if (row === null) return null;
  const payment = await db.one(sql.typeAlias('payment')`
    SELECT ${PAYMENT_COLUMNS} FROM payments p WHERE id = ${row.payment_id}`);
  return { refund: toRefund(row), payment: toPayment(payment) };
}

/** Refunds that are overdue for longer than they said they would be; else as `listStuck`. */
export async function listStuckRefunds(
  db: Connection,
  graceMs: number,
  limit: number,
  afterId: string | null,
): Promise<readonly Refund[]> {
  const rows = await db.any(sql.typeAlias('refund')`
    SELECT ${REFUND_COLUMNS} FROM refunds r
    WHERE status = 'pending' AND ${isOverdue(graceMs)}
      AND (${afterId}::text IS NULL OR id > ${afterId})
    ORDER BY id LIMIT ${limit}`);
  return rows.map(toRefund);
}
