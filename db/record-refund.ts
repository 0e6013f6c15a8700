import { z } from 'zod';
import { failureAfter } from '../domain/failure-fields.ts';
import type { Refund, RefundRecordRequest, RefundRecordResult } from '../domain/refund.ts';
import { isRefundClosed, nextRefund } from '../domain/refund-states.ts';
import { reasonAfter } from '../domain/review.ts';
import { makeStorable } from '../domain/text.ts';
import { appendAudit, findRecordedStep } from './audit.ts';
import { lookBackOfRefund } from './look-back.ts';
import { MissingRow } from './missing-row.ts';
import type { Connection, Pool } from './pool.ts';
import { heldAgainstRefundReceipts, isReceiptTaken } from './receipts.ts';
import { notify } from './record.ts';
import { moveMoney, placeOf } from './refund-money.ts';
import { toRefund } from './rows.ts';
import { REFUND_COLUMNS, sql } from './sql.ts';
import { waitAfter } from './wait.ts';
import { markWebhookEvent } from './webhook-events.ts';

/**
 * The one place that changes a refund, and what it counts for on its payment. In one transaction:
 * refund, payment's sums, audit entry, the callback it came from, notification. The same key again
 * changes nothing. A refund that comes back after its money went to others needs review.
 */
export function recordRefund(
  pool: Pool,
  request: RefundRecordRequest,
): Promise<RefundRecordResult> {
  return pool.transaction((db) => applyRefundRecord(db, request));
}

/** The same within a transaction of the caller's. */
export async function applyRefundRecord(
  db: Connection,
  given: RefundRecordRequest,
): Promise<RefundRecordResult> {
  const told = makeStorable(given);
  const refund = await lockRefund(db, told);
  const earlier = await findRecordedStep(db, told.paymentId, told.key);
  if (earlier !== null) {
    const learned = await keepReceipt(db, told);
    return { ...standingOf(refund), ...earlier, ...learned };
  }
  if (await mayBeSentBeyond(db, told)) {
    return { ...standingOf(refund), changed: false, refused: false, mayBeAtProvider: true };
  }
  if (told.isWithoutAuditEntry === true) return await recordWithoutAuditEntry(db, refund, told);
  const learned = await keepReceipt(db, told);
  const held = await heldAgainstRefundReceipts(db, refund, told);
  const request = learned.isReceiptTaken ? notLearned(told) : held === 'refused' ? told : held;
  const transition = request.event === null ? null : nextRefund(refund.status, request.event);
  const refused = held === 'refused' || transition?.kind === 'refused';
  const isMoved = !refused && transition?.kind === 'moved';
  const to = isMoved ? await placeOf(db, refund, transition.to) : refund.status;
  const moved = await moveMoney(db, refund, to);
  const isOver = moved.overMinor > 0 && to === 'needs_review';
  const settled = isOver ? overRefunded(refund, request) : request;
  const why = refused ? null : settled.reviewReason;
  const after = { status: to, reviewReason: reasonAfter(to, why, refund.reviewReason) };
  if (!refused) await updateRefund(db, refund, after, settled, moved.overMinor);
  await appendAudit(db, {
    paymentId: request.paymentId,
    key: request.key,
    action: refused ? 'refund.transition_refused' : settled.action,
    from: refund.status,
    to,
    actor: request.actor,
    cause: request.cause,
    details: { ...detailsOf(settled), ...moved.details },
  });
  if (request.webhook !== null) {
    const webhook = refused ? { ...request.webhook, status: 'parked' as const } : request.webhook;
    await markWebhookEvent(db, webhook, request.paymentId);
  }
  await notify(db, request.paymentId);
  return { ...standingOf(after), changed: to !== refund.status, refused, ...learned };
}

/** As for payments: whether the row counts more sends than are proven to have done nothing. */
async function mayBeSentBeyond(
  db: Connection,
  { refundId, provenUnsent }: RefundRecordRequest,
): Promise<boolean> {
  if (provenUnsent === undefined) return false;
  return await db.exists(sql.typeAlias('id')`
    SELECT id FROM refunds WHERE id = ${refundId} AND dispatch_count > ${provenUnsent}`);
}

/** What tells nothing new is no step of the story; the provider's id of the refund may be. */
async function recordWithoutAuditEntry(
  db: Connection,
  refund: Refund,
  { providerRefundId, webhook, paymentId }: RefundRecordRequest,
): Promise<RefundRecordResult> {
  if (providerRefundId !== null && refund.providerRefundId === null) {
    await db.query(sql.typeAlias('none')`
      UPDATE refunds SET provider_refund_id = ${providerRefundId} WHERE id = ${refund.id}`);
    await notify(db, paymentId);
  }
  if (webhook !== null) await markWebhookEvent(db, webhook, paymentId);
  return { ...standingOf(refund), changed: false, refused: false };
}

type After = Pick<Refund, 'status' | 'reviewReason'>;

function standingOf({ status, reviewReason }: After) {
  return { status, ...(reviewReason === null ? {} : { reviewReason }) };
}

/**
 * The payment first: refunds and changes of one payment go one after the other.
 * @throws MissingRow when it is gone.
 */
export async function lockRefund(
  db: Connection,
  { refundId, paymentId }: { readonly refundId: string; readonly paymentId: string },
): Promise<Refund> {
  await db.query(sql.typeAlias('id')`SELECT id FROM payments WHERE id = ${paymentId} FOR UPDATE`);
  const row = await db.maybeOne(sql.typeAlias('refund')`
    SELECT ${REFUND_COLUMNS} FROM refunds r
    WHERE id = ${refundId} AND payment_id = ${paymentId} FOR UPDATE`);
  if (row === null) throw new MissingRow('refund', refundId);
  return toRefund(row);
}

/**
 * A receipt that a callback told is older than one that was asked for: the first one stays. One
 * that another payment has is not learned: by it somebody else's money would be given back.
 */
async function keepReceipt(
  db: Connection,
  { paymentId, paymentReceipt }: RefundRecordRequest,
): Promise<Pick<RefundRecordResult, 'paymentReceipt' | 'isReceiptTaken'>> {
  if (paymentReceipt === undefined) return {};
  if (await isReceiptTaken(db, paymentId, paymentReceipt)) return { isReceiptTaken: true };
  const row = await db.one(sql.type(receiptRow)`
    UPDATE payments SET provider_receipt = coalesce(provider_receipt, ${paymentReceipt}),
      updated_at = now()
    WHERE id = ${paymentId} RETURNING provider_receipt`);
  return { paymentReceipt: row.provider_receipt };
}

function notLearned({ paymentReceipt, ...request }: RefundRecordRequest): RefundRecordRequest {
  const note = `the receipt ${paymentReceipt} is of another payment already`;
  const webhook = request.webhook && { ...request.webhook, status: 'parked' as const, note };
  return { ...request, action: 'refund.callback_refused', cause: note, webhook };
}

const receiptRow = z.object({ provider_receipt: z.string() });

/** More was given back than was taken, or so it is said: that reason counts before any other. */
function overRefunded(refund: Refund, request: RefundRecordRequest): RefundRecordRequest {
  const over = { reviewReason: 'over_refunded', waitingFor: 'review' } as const;
  const isNew = refund.status !== 'needs_review';
  return { ...request, ...over, action: isNew ? 'refund.over_refunded' : request.action };
}

async function updateRefund(
  db: Connection,
  refund: Refund,
  { status: to, reviewReason }: After,
  request: RefundRecordRequest,
  overMinor: number,
): Promise<void> {
  const { outcome } = request;
  const known = { ...refund, isFailureFinal: false };
  const failure = failureAfter(known, outcome, to === 'succeeded');
  const isOver = isRefundClosed(to);
  const wait = waitAfter(isOver, refund.waitingFor, request);
  await db.query(sql.typeAlias('none')`
    UPDATE refunds SET
      status = ${to},
      amount_over = ${overMinor},
      provider_refund_id = coalesce(provider_refund_id,
        ${request.providerRefundId ?? outcome?.providerRefundId ?? null}),
      provider_receipt = coalesce(provider_receipt, ${outcome?.receipt ?? null}),
      provider_code = ${failure.providerCode},
      failure_code = ${failure.failureCode},
      failure_message = ${failure.failureMessage},
      review_reason = ${reviewReason},
      waiting_for = ${wait.for},
      wait_until = ${wait.until},
      look_back_at = ${lookBackOfRefund({ ...refund, from: refund.status, to })},
      completed_at = ${isOver ? sql.fragment`coalesce(completed_at, now())` : sql.fragment`NULL`},
      updated_at = now()
    WHERE id = ${refund.id}`);
}

function detailsOf(request: RefundRecordRequest): Record<string, string | number> {
  const { outcome } = request;
  const details: Record<string, string | number | null> = {
    refund: request.refundId,
    receipt: outcome?.receipt ?? request.paymentReceipt ?? null,
    provider_code: outcome?.providerCode ?? null,
    failure_code: outcome?.failure?.code ?? null,
    reported_amount: outcome?.amountMinor ?? null,
    review_reason: request.reviewReason,
    waiting_for: request.waitingFor,
    webhook_event: request.webhook?.eventId ?? null,
  };
  const told: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(details)) if (value !== null) told[name] = value;
  return told;
}
