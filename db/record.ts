import type { z } from 'zod';
import { type AttemptEvent, nextAttempt } from '../domain/attempt-states.ts';
import type { RecordRequest, RecordResult } from '../domain/payment.ts';
import { isClosed, next, type PaymentStatus } from '../domain/payment-states.ts';
import type { Outcome } from '../domain/provider.ts';
import { appendAudit, hasAuditKey } from './audit.ts';
import type { Connection, Pool } from './pool.ts';
import { attemptRow, paymentRow } from './rows.ts';
import { sql } from './sql.ts';
import { markWebhookEvent } from './webhook-events.ts';

type PaymentRow = z.infer<typeof paymentRow>;

/**
 * The one place that changes a payment. Applies the event to the table, writes the audit entry, the
 * attempt, the callback it came from and the notification, in one transaction. Recording the same
 * key again changes nothing and returns the payment as it stands.
 */
export function record(pool: Pool, request: RecordRequest): Promise<RecordResult> {
  return pool.transaction(async (db) => {
    const payment = await lockPayment(db, request.paymentId);
    if (await hasAuditKey(db, payment.id, request.key)) {
      return { status: payment.status, changed: false, refused: false };
    }
    const transition = request.event === null ? null : next(payment.status, request.event);
    if (transition?.kind === 'refused') return await refuse(db, payment, request);
    const to = transition?.kind === 'moved' ? transition.to : payment.status;
    await updatePayment(db, payment, to, request);
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
    return { status: to, changed: to !== payment.status, refused: false };
  });
}

/** A payment's row, locked: whatever changes it goes one after the other. */
export async function lockPayment(db: Connection, id: string): Promise<PaymentRow> {
  const columns = sql.join(
    Object.keys(paymentRow.shape).map((name) => sql.identifier([name])),
    sql.fragment`, `,
  );
  return await db.one(sql.typeAlias('payment')`
    SELECT ${columns} FROM payments WHERE id = ${id} FOR UPDATE`);
}

async function refuse(
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
    cause: `${request.event} while ${payment.status}: ${request.cause}`,
    details: detailsOf(request),
  });
  if (request.webhook !== null) {
    const note = `${request.event} refused while ${payment.status}`;
    await markWebhookEvent(db, { ...request.webhook, status: 'parked', note }, payment.id);
  }
  return { status: payment.status, changed: false, refused: true };
}

async function updatePayment(
  db: Connection,
  payment: PaymentRow,
  to: PaymentStatus,
  request: RecordRequest,
): Promise<void> {
  const { outcome } = request;
  const failure = outcome?.failure ?? null;
  const keepsFailure = to !== 'succeeded' && to !== 'authorized';
  const captured = to === 'succeeded' ? capturedBy(payment, outcome) : payment.amount_captured;
  const waits = !isClosed(to);
  const review = to === 'needs_review' ? (request.reviewReason ?? payment.review_reason) : null;
  await db.query(sql.typeAlias('none')`
    UPDATE payments SET
      status = ${to},
      amount_captured = ${captured},
      provider_payment_id = coalesce(provider_payment_id,
        ${request.providerPaymentId ?? outcome?.providerPaymentId ?? null}),
      provider_receipt = coalesce(provider_receipt, ${outcome?.receipt ?? null}),
      provider_code = coalesce(${outcome?.providerCode ?? null}, provider_code),
      next_action = ${nextActionOf(payment, to, request)},
      failure_code = ${keepsFailure ? (failure?.code ?? payment.failure_code) : null},
      failure_message = ${keepsFailure ? (failure?.message ?? payment.failure_message) : null},
      review_reason = ${review},
      waiting_for = ${waits ? request.waitingFor : null},
      wait_until = ${
        waits && request.waitMs !== null
          ? sql.fragment`now() + ${request.waitMs} * interval '1 millisecond'`
          : sql.fragment`NULL`
      },
      completed_at = ${waits ? sql.fragment`NULL` : sql.fragment`coalesce(completed_at, now())`},
      updated_at = now()
    WHERE id = ${payment.id}`);
}

/** A payment captured by hand may be captured in part; the provider's word tells how much. */
function capturedBy(payment: PaymentRow, outcome: Outcome | null): number {
  if (payment.status === 'succeeded') return payment.amount_captured;
  const isPartial = payment.capture_method === 'manual' && outcome?.money != null;
  return isPartial ? outcome.money.amountMinor : payment.amount;
}

function nextActionOf(payment: PaymentRow, to: PaymentStatus, request: RecordRequest) {
  if (to !== 'requires_action') return null;
  const action = request.nextAction ?? payment.next_action;
  return action === null ? null : sql.jsonb(action);
}

async function updateAttempt(
  db: Connection,
  attemptId: string,
  request: RecordRequest,
): Promise<void> {
  const event = attemptEventOf(request);
  const id = request.providerPaymentId ?? request.outcome?.providerPaymentId ?? null;
  if (event === null && id === null) return;
  const row = await db.one(sql.type(attemptRow)`
    SELECT id, payment_id, ordinal, status, dispatch_count, dispatch_nonce, provider_payment_id
    FROM attempts WHERE id = ${attemptId} FOR UPDATE`);
  const status = event === null ? row.status : nextAttempt(row.status, event);
  await db.query(sql.typeAlias('none')`
    UPDATE attempts SET status = ${status},
      provider_payment_id = coalesce(provider_payment_id, ${id}),
      settled_at = CASE WHEN ${status} = 'settled' THEN coalesce(settled_at, now()) END
    WHERE id = ${attemptId}`);
}

function attemptEventOf(request: RecordRequest): AttemptEvent | null {
  if (request.outcome !== null) return 'settle';
  return request.action === 'payment.answer_lost' ? 'lose_answer' : null;
}

/** What the audit entry tells beside the change itself; nothing personal. */
function detailsOf(request: RecordRequest): Record<string, string | number> {
  const { outcome } = request;
  const details: Record<string, string | number | null> = {
    receipt: outcome?.receipt ?? null,
    provider_code: outcome?.providerCode ?? null,
    failure_code: outcome?.failure?.code ?? null,
    reported_amount: outcome?.money?.amountMinor ?? null,
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
