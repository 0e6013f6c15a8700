import type { z } from 'zod';
import { capturedMinor } from '../domain/capture.ts';
import { lostMinor } from '../domain/dispute.ts';
import { failureAfter } from '../domain/failure-fields.ts';
import type { RecordRequest, RecordResult } from '../domain/payment-record.ts';
import { isClosed, next, type PaymentStatus } from '../domain/payment-states.ts';
import { reasonAfter } from '../domain/review.ts';
import { makeStorable } from '../domain/text.ts';
import { addUnmatchedReceipt, type UnmatchedReceipt } from '../domain/unmatched-receipt.ts';
import { eventIdOf } from '../domain/webhook-event.ts';
import { appendAudit, findRecordedStep } from './audit.ts';
import { lookBackOfPayment } from './look-back.ts';
import { MissingRow } from './missing-row.ts';
import type { Connection, Pool } from './pool.ts';
import { heldAgainstReceipts } from './receipts.ts';
import { mayBeSentBeyond, updateAttempt } from './record-attempt.ts';
import { type paymentRow, toPayment } from './rows.ts';
import { PAYMENT_COLUMNS, sql } from './sql.ts';
import { waitAfter } from './wait.ts';
import { findEventProvider, markWebhookEvent } from './webhook-events.ts';

type PaymentRow = z.infer<typeof paymentRow>;

/**
 * The one place that changes a payment. Applies the event to the table, writes the audit entry, the
 * attempt, the callback it came from and the notification, in one transaction. Recording the same
 * key again changes nothing and returns the payment as it stands, and what the first call changed.
 */
export function record(pool: Pool, asked: RecordRequest): Promise<RecordResult> {
  return pool.transaction(async (db) =>
    applyRecord(db, await lockPayment(db, asked.paymentId), asked),
  );
}

/** As `record`, where the payment's row is locked already. */
export async function applyRecord(
  db: Connection,
  payment: PaymentRow,
  given: RecordRequest,
): Promise<RecordResult> {
  const told = makeStorable(given);
  const earlier = await findRecordedStep(db, payment.id, told.key);
  if (earlier !== null) return { ...standingOf(payment), ...earlier };
  if (await mayBeSentBeyond(db, told)) {
    return { ...standingOf(payment), changed: false, refused: false, mayBeAtProvider: true };
  }
  if (told.isWithoutAuditEntry === true) return await recordWithoutAuditEntry(db, payment, told);
  const asked = await heldAgainstReceipts(db, payment, told);
  if (asked === 'refused') return await refuse(db, payment, told);
  const transition =
    asked.event === null ? null : next(payment.status, asked.event, asked.mayBeAtProvider);
  if (transition?.kind === 'refused') return await refuse(db, payment, asked);
  const to = transition?.kind === 'moved' ? transition.to : payment.status;
  const known = asked.event === 'gave_up' && to === 'needs_review' ? doubt(asked) : asked;
  const request = isForgotten(payment.status, to) ? withLostHistory(known) : known;
  const reason = await updatePayment(db, payment, to, request);
  await updateAttempt(db, request.attemptId, request);
  await appendAudit(db, {
    paymentId: payment.id,
    key: request.key,
    action: request.action,
    from: payment.status,
    to,
    actor: request.actor,
    cause: request.cause,
    details: detailsOf(request),
  });
  if (request.webhook !== null) await markWebhookEvent(db, request.webhook, payment.id);
  await notify(db, payment.id);
  const changed = to !== payment.status;
  return { ...standingOf({ status: to, review_reason: reason }), changed, refused: false };
}

type Standing = Pick<PaymentRow, 'status' | 'review_reason'>;

function standingOf({ status, review_reason }: Standing) {
  return { status, ...(review_reason === null ? {} : { reviewReason: review_reason }) };
}

/** Who gives up what may have been sent knows no outcome, whatever it took for one. */
function doubt(request: RecordRequest): RecordRequest {
  if (request.outcome === null) return request;
  const cause = 'it may have been sent, and nobody told the outcome';
  return { ...request, action: 'payment.review_needed', cause, outcome: null };
}

/** Nothing leads from a payment that was never sent to a review: the row forgot that it was. */
function isForgotten(from: PaymentStatus, to: PaymentStatus): boolean {
  return from === 'created' && to === 'needs_review';
}

/** A review of what the database forgot, unless what was told is wrong as well. */
function withLostHistory(request: RecordRequest): RecordRequest {
  const { reviewReason } = request;
  const isWrong = reviewReason === 'amount_mismatch' || reviewReason === 'contradiction';
  return {
    ...request,
    action: 'payment.review_needed',
    cause: `${request.cause}; no send of it is on record: the database lost what was written`,
    reviewReason: isWrong ? reviewReason : 'history_lost',
    waitingFor: 'review',
    // The provider is asked at once: by its own run, or by the one that the sweeper starts.
    waitMs: 0,
  };
}

/**
 * A payment's row, locked: whatever changes it goes one after the other.
 * @throws MissingRow when it is gone.
 */
export async function lockPayment(db: Connection, id: string): Promise<PaymentRow> {
  const row = await db.maybeOne(sql.typeAlias('payment')`
    SELECT ${PAYMENT_COLUMNS} FROM payments p WHERE p.id = ${id} FOR UPDATE`);
  if (row === null) throw new MissingRow('payment', id);
  return row;
}

/** That a provider is at it is no step of the story; its id of the payment may still be news. */
async function recordWithoutAuditEntry(
  db: Connection,
  payment: PaymentRow,
  request: RecordRequest,
): Promise<RecordResult> {
  if (request.providerPaymentId !== null && payment.provider_payment_id === null) {
    await db.query(sql.typeAlias('none')`
      UPDATE payments SET provider_payment_id = ${request.providerPaymentId}
      WHERE id = ${payment.id}`);
    await updateAttempt(db, request.attemptId, request);
    await notify(db, payment.id);
  }
  if (request.webhook !== null) await markWebhookEvent(db, request.webhook, payment.id);
  return { ...standingOf(payment), changed: false, refused: false };
}

/** Writes down that an event does not fit where the payment stands, and changes nothing else. */
export async function refuse(
  db: Connection,
  payment: PaymentRow,
  request: RecordRequest,
): Promise<RecordResult> {
  await appendAudit(db, {
    paymentId: payment.id,
    key: request.key,
    action: 'payment.transition_refused',
    from: payment.status,
    to: payment.status,
    actor: request.actor,
    cause: `${request.event ?? request.action} while ${payment.status}: ${request.cause}`,
    details: detailsOf(request),
  });
  if (request.webhook !== null) {
    const note = `${request.event ?? request.action} refused while ${payment.status}`;
    await markWebhookEvent(db, { ...request.webhook, status: 'parked', note }, payment.id);
  }
  return { ...standingOf(payment), changed: false, refused: true };
}

/** @returns why it is in review now. */
async function updatePayment(
  db: Connection,
  payment: PaymentRow,
  to: PaymentStatus,
  request: RecordRequest,
): Promise<PaymentRow['review_reason']> {
  const { outcome } = request;
  const isPaid = to === 'succeeded' || to === 'authorized';
  const failure = failureAfter(toPayment(payment), outcome, isPaid);
  const isTaken = to === 'succeeded' && payment.status !== 'succeeded';
  const captured = isTaken ? capturedMinor(payment.amount, outcome) : payment.amount_captured;
  // A dispute may be told of, and lost, before the money itself is.
  const disputed = isTaken
    ? lostMinor(payment.disputes, payment.currency, captured)
    : payment.amount_disputed;
  const unmatchedReceipts = await unmatchedReceiptsAfter(db, payment, request);
  const wait = waitAfter(isClosed(to), payment.waiting_for, request);
  const reason = reasonAfter(to, request.reviewReason, payment.review_reason);
  await db.query(sql.typeAlias('none')`
    UPDATE payments SET
      status = ${to},
      amount_captured = ${captured},
      amount_disputed = ${disputed},
      provider_payment_id = coalesce(provider_payment_id,
        ${request.providerPaymentId ?? outcome?.providerPaymentId ?? null}),
      provider_receipt = coalesce(provider_receipt, ${outcome?.receipt ?? null}),
      provider_code = ${failure.providerCode},
      next_action = ${nextActionOf(payment, to, request)},
      failure_code = ${failure.failureCode},
      failure_message = ${failure.failureMessage},
      failure_is_final = ${failure.isFailureFinal},
      review_reason = ${reason},
      unmatched_receipts = ${sql.jsonb(unmatchedReceipts)},
      waiting_for = ${wait.for},
      wait_until = ${wait.until},
      look_back_at = ${lookBackOfPayment({
        from: payment.status,
        to,
        reviewReason: payment.review_reason,
      })},
      completed_at = CASE WHEN ${isClosed(to)} THEN coalesce(completed_at, now()) END,
      updated_at = now()
    WHERE id = ${payment.id}`);
  return reason;
}

async function unmatchedReceiptsAfter(
  db: Connection,
  payment: PaymentRow,
  { unmatchedReceipt, webhook }: RecordRequest,
): Promise<readonly UnmatchedReceipt[]> {
  if (unmatchedReceipt === undefined || webhook === null) return payment.unmatched_receipts;
  const provider = (await findEventProvider(db, webhook.eventId)) ?? payment.provider;
  const eventId = eventIdOf(webhook.eventId);
  return addUnmatchedReceipt(payment.unmatched_receipts, {
    ...unmatchedReceipt,
    provider,
    eventId,
    status: 'open',
  });
}

function nextActionOf(payment: PaymentRow, to: PaymentStatus, request: RecordRequest) {
  if (to !== 'requires_action') return null;
  const action = request.nextAction ?? payment.next_action;
  return action === null ? null : sql.jsonb(action);
}

/** What the audit entry tells beside the change itself; nothing personal. */
function detailsOf(request: RecordRequest): Record<string, string | number> {
  const { outcome } = request;
  const details: Record<string, string | number | null> = {
    receipt: outcome?.receipt ?? null,
    provider_code: outcome?.providerCode ?? null,
    failure_code: outcome?.failure?.code ?? null,
    reported_amount: (outcome ?? request.unmatchedReceipt)?.money?.amountMinor ?? null,
    review_reason: request.reviewReason,
    waiting_for: request.waitingFor,
    wait_ms: request.waitMs,
    webhook_event: request.webhook?.eventId ?? null,
  };
  const told: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(details)) if (value !== null) told[name] = value;
  return told;
}

/** Tells listeners which payment changed; they read what changed from its row. */
export async function notify(db: Connection, paymentId: string): Promise<void> {
  await db.query(sql.typeAlias('none')`
    SELECT FROM pg_notify('malipo_payment', ${paymentId})`);
}
