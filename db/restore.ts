import { z } from 'zod';
import { isClosed } from '../domain/payment-states.ts';
import type { RestoredPayment, RestorePaymentRequest } from '../domain/restore.ts';
import { appendAudit } from './audit.ts';
import { restoredKey } from './missing-row.ts';
import type { NewPayment } from './payments.ts';
import type { Connection, Pool } from './pool.ts';
import { lockPayment, notify } from './record.ts';
import { toPayment } from './rows.ts';
import { PAYMENT_COLUMNS, sql } from './sql.ts';
import { isSentBy } from './webhook-events.ts';

/**
 * Finds the row that a payment's run goes on with, when the one it was started for is gone: the one
 * that the merchant's repeated request has made since, else one that is built of what the run
 * knows. Nobody knows what else was forgotten, so an open payment is in review from then on, and no
 * claim of a send succeeds.
 * @returns null while its merchant is gone as well: then nothing can be built.
 */
export function restorePayment(
  pool: Pool,
  run: RestorePaymentRequest,
): Promise<RestoredPayment | null> {
  return pool.transaction(async (db) => {
    const found = await db.maybeOne(sql.typeAlias('id')`
      SELECT id FROM payments WHERE workflow_id = ${run.workflowId}`);
    if (found === null && !(await isMerchantThere(db, run.merchantId))) return null;
    const paymentId = found?.id ?? run.paymentId;
    if (found === null) await insertRow(db, run);
    else await lockPayment(db, paymentId);
    if (!(await isAttemptThere(db, run, paymentId))) {
      const how = await restoreAttempt(db, run, paymentId, found === null);
      await sendToReview(db, paymentId, run, how);
      await takeParkedCallbacks(db, paymentId, run.workflowId);
      await notify(db, paymentId);
    }
    const { attempt_id: attemptId, status } = await lockPayment(db, paymentId);
    return { paymentId, attemptId, status };
  });
}

/** Then nothing is missing any more: somebody put a later backup back. */
async function isAttemptThere(
  db: Connection,
  { attemptId }: RestorePaymentRequest,
  paymentId: string,
): Promise<boolean> {
  const row = await db.maybeOne(sql.typeAlias('id')`
    SELECT id FROM attempts WHERE id = ${attemptId} AND payment_id = ${paymentId}`);
  return row !== null;
}

async function isMerchantThere(db: Connection, merchantId: string): Promise<boolean> {
  const row = await db.maybeOne(sql.typeAlias('id')`
    SELECT id FROM merchants WHERE id = ${merchantId}`);
  return row !== null;
}

/** Who pays, for what and under which key, only the merchant's request tells. */
async function insertRow(db: Connection, run: RestorePaymentRequest): Promise<void> {
  await db.query(sql.typeAlias('none')`
    INSERT INTO payments (id, merchant_id, idempotency_key, fingerprint, workflow_id, attempt_id,
      attempt_ordinal, status, provider, credentials_ref, amount, currency, capture_method,
      reference, policy, provider_payment_id)
    VALUES (${run.paymentId}, ${run.merchantId}, ${restoredKey(run.workflowId)}, '',
      ${run.workflowId}, ${run.attemptId}, ${run.attemptOrdinal}, 'created', ${run.provider},
      ${run.credentialsRef}, ${run.amountMinor}, ${run.currency}, ${run.captureMethod},
      ${run.workflowId.slice(-12).toUpperCase()}, ${sql.jsonb(run.policy)},
      ${run.providerPaymentId})`);
}

const ordinalRow = z.object({ id: z.string(), ordinal: z.int() });

/** A later attempt than those that are left is the run's own; else the row's own goes on. */
async function restoreAttempt(
  db: Connection,
  run: RestorePaymentRequest,
  paymentId: string,
  isBuilt: boolean,
): Promise<string> {
  const newest = await db.maybeOne(sql.type(ordinalRow)`
    SELECT id, ordinal FROM attempts WHERE payment_id = ${paymentId}
    ORDER BY ordinal DESC LIMIT 1`);
  if (newest !== null && newest.ordinal >= run.attemptOrdinal) {
    await db.query(sql.typeAlias('none')`
      UPDATE attempts SET status = CASE WHEN status = 'prepared' THEN 'unknown' ELSE status END,
        dispatch_count = greatest(dispatch_count, 1),
        provider_payment_id = coalesce(provider_payment_id, ${run.providerPaymentId})
      WHERE id = ${newest.id}`);
    await db.query(sql.typeAlias('none')`
      UPDATE payments SET
        provider_payment_id = coalesce(provider_payment_id, ${run.providerPaymentId})
      WHERE id = ${paymentId}`);
    return `the workflow of ${run.paymentId}, which is gone, goes on with this payment`;
  }
  await db.query(sql.typeAlias('none')`
    INSERT INTO attempts (id, payment_id, ordinal, status, dispatch_count, provider,
      credentials_ref, provider_payment_id)
    VALUES (${run.attemptId}, ${paymentId}, ${run.attemptOrdinal}, 'unknown', 1, ${run.provider},
      ${run.credentialsRef}, ${run.providerPaymentId})`);
  await db.query(sql.typeAlias('none')`
    UPDATE payments SET attempt_id = ${run.attemptId}, attempt_ordinal = ${run.attemptOrdinal},
      provider = ${run.provider}, credentials_ref = ${run.credentialsRef},
      policy = ${sql.jsonb(run.policy)}, provider_payment_id = ${run.providerPaymentId}
    WHERE id = ${paymentId}`);
  return isBuilt
    ? 'its row was gone: it is built of what its workflow knows'
    : 'its newest attempt was gone: it is built of what its workflow knows';
}

/** What is forgotten may be money: a person looks, unless the provider tells first. */
async function sendToReview(
  db: Connection,
  paymentId: string,
  { attemptId }: RestorePaymentRequest,
  how: string,
): Promise<void> {
  const { status } = await lockPayment(db, paymentId);
  const to = isClosed(status) ? status : 'needs_review';
  if (to !== status) {
    await db.query(sql.typeAlias('none')`
      UPDATE payments SET status = ${to}, review_reason = 'history_lost', waiting_for = 'review',
        wait_until = NULL, next_action = NULL, updated_at = now() WHERE id = ${paymentId}`);
  }
  await appendAudit(db, {
    paymentId,
    key: `restored/${attemptId}`,
    action: 'payment.reopened',
    from: status,
    to,
    actor: 'workflow',
    cause: `${how}; the database lost what was written`,
    details: { review_reason: 'history_lost' },
  });
}

/** Callbacks that found no payment are delivered after all, where their word counts (ADR 0009). */
async function takeParkedCallbacks(
  db: Connection,
  paymentId: string,
  workflowId: string,
): Promise<void> {
  const parked = await db.any(sql.type(parkedRow)`
    SELECT id, provider, account FROM webhook_events
    WHERE workflow_id = ${workflowId} AND payment_id IS NULL AND status = 'parked'
      AND event IS NOT NULL`);
  for (const { id, provider, account } of parked) {
    await db.query(sql.typeAlias('none')`
      UPDATE webhook_events SET payment_id = ${paymentId}, status = 'received',
        delivered_at = NULL, error = NULL
      WHERE id = ${id} AND EXISTS (
        SELECT FROM attempts a WHERE a.payment_id = ${paymentId}
          AND ${isSentBy(provider, account)})`);
  }
}

const parkedRow = z.object({
  id: z.string(),
  provider: z.string(),
  account: z.string().nullable(),
});

/**
 * The payment that this request made before, where another key stands on its row: the merchant's
 * was forgotten, and is written down again with what else only the request tells. The payer's data
 * are not: they are sealed for a row of their own, and nothing is sent again.
 */
export async function findRestored(db: Connection, next: NewPayment) {
  const { customer } = next;
  await db.query(sql.typeAlias('none')`
    UPDATE payments SET idempotency_key = ${next.idempotencyKey},
      fingerprint = ${next.fingerprint}, customer_id = ${customer.id},
      phone_masked = ${customer.phoneMasked}, email_masked = ${customer.emailMasked},
      name_masked = ${customer.nameMasked}, payment_method = ${next.paymentMethod},
      reference = ${next.reference}, description = ${next.description},
      return_url = ${next.returnUrl}, metadata = ${sql.jsonb(next.metadata)}, updated_at = now()
    WHERE workflow_id = ${next.workflowId} AND amount = ${next.amountMinor}
      AND currency = ${next.currency} AND idempotency_key = ${restoredKey(next.workflowId)}`);
  const row = await db.one(sql.typeAlias('payment')`
    SELECT ${PAYMENT_COLUMNS} FROM payments p
    WHERE merchant_id = ${next.merchantId} AND workflow_id = ${next.workflowId}`);
  return toPayment(row);
}
