import { z } from 'zod';
import type { Refund, RefundRecordRequest, RefundRecordResult } from '../domain/refund.ts';
import {
  isRefundClosed,
  nextRefund,
  REFUND_COUNTS_AS,
  type RefundStatus,
} from '../domain/refund-states.ts';
import { appendAudit, hasAuditKey } from './audit.ts';
import type { Connection, Pool } from './pool.ts';
import { notify } from './record.ts';
import { toRefund } from './rows.ts';
import { REFUND_COLUMNS, sql } from './sql.ts';
import { markWebhookEvent } from './webhook-events.ts';

/**
 * The one place that changes a refund, and what it counts for on its payment. In one transaction:
 * refund, payment's sums, audit entry, the callback it came from, notification. The same key again
 * changes nothing.
 */
export function recordRefund(
  pool: Pool,
  request: RefundRecordRequest,
): Promise<RefundRecordResult> {
  return pool.transaction(async (db) => {
    const refund = await lockRefund(db, request);
    if (await hasAuditKey(db, request.paymentId, request.key)) {
      return { status: refund.status, changed: false, refused: false };
    }
    const transition = request.event === null ? null : nextRefund(refund.status, request.event);
    const refused = transition?.kind === 'refused';
    const to = transition?.kind === 'moved' ? transition.to : refund.status;
    if (!refused) {
      await updateRefund(db, refund, to, request);
      await moveMoney(db, refund, to);
    }
    await appendAudit(db, {
      paymentId: request.paymentId,
      key: request.key,
      action: refused ? 'refund.transition_refused' : request.action,
      from: refund.status,
      to,
      actor: request.actor,
      cause: request.cause,
      details: detailsOf(request),
    });
    if (request.webhook !== null) {
      const webhook = refused ? { ...request.webhook, status: 'parked' as const } : request.webhook;
      await markWebhookEvent(db, webhook, request.paymentId);
    }
    await notify(db, request.paymentId);
    return { status: to, changed: to !== refund.status, refused };
  });
}

export type RefundDispatchClaim =
  | { readonly kind: 'dispatched' | 'refused' }
  | { readonly kind: 'already_dispatched'; readonly providerRefundId: string | null };

/** Claims the n-th send of a refund right before the first byte leaves; see `recordDispatch`. */
export function recordRefundDispatch(
  pool: Pool,
  claim: {
    readonly refundId: string;
    readonly paymentId: string;
    readonly send: number;
    readonly nonce: string;
  },
): Promise<RefundDispatchClaim> {
  return pool.transaction(async (db) => {
    const refund = await lockRefund(db, claim);
    const sent = await db.one(sql.type(dispatchRow)`
      SELECT dispatch_count, dispatch_nonce FROM refunds WHERE id = ${refund.id}`);
    if (sent.dispatch_count === claim.send && sent.dispatch_nonce === claim.nonce) {
      return { kind: 'dispatched' };
    }
    if (sent.dispatch_count !== claim.send - 1) {
      return { kind: 'already_dispatched', providerRefundId: refund.providerRefundId };
    }
    if (refund.status !== 'pending') return { kind: 'refused' };
    await db.query(sql.typeAlias('none')`
      UPDATE refunds SET dispatch_count = ${claim.send}, dispatch_nonce = ${claim.nonce},
        dispatched_at = now(), updated_at = now(), waiting_for = 'provider_answer',
        wait_until = NULL
      WHERE id = ${refund.id}`);
    await appendAudit(db, {
      paymentId: claim.paymentId,
      key: `${refund.id}/dispatched/${claim.send}`,
      action: 'refund.dispatched',
      from: refund.status,
      to: refund.status,
      actor: 'workflow',
      cause: `send ${claim.send}`,
      details: { refund: refund.id, send: claim.send },
    });
    await notify(db, claim.paymentId);
    return { kind: 'dispatched' };
  });
}

const dispatchRow = z.object({ dispatch_count: z.int(), dispatch_nonce: z.string().nullable() });

/** The payment first: refunds and changes of one payment go one after the other. */
async function lockRefund(
  db: Connection,
  { refundId, paymentId }: { readonly refundId: string; readonly paymentId: string },
): Promise<Refund> {
  await db.one(sql.typeAlias('id')`SELECT id FROM payments WHERE id = ${paymentId} FOR UPDATE`);
  return toRefund(
    await db.one(sql.typeAlias('refund')`
      SELECT ${REFUND_COLUMNS} FROM refunds r
      WHERE id = ${refundId} AND payment_id = ${paymentId} FOR UPDATE`),
  );
}

async function updateRefund(
  db: Connection,
  refund: Refund,
  to: RefundStatus,
  request: RefundRecordRequest,
): Promise<void> {
  const { outcome } = request;
  const failure = to === 'succeeded' ? null : (outcome?.failure ?? null);
  const keeps = to !== 'succeeded';
  const waits = !isRefundClosed(to);
  const review = to === 'needs_review' ? (request.reviewReason ?? refund.reviewReason) : null;
  const waitUntil =
    waits && request.waitMs !== null
      ? sql.fragment`now() + ${request.waitMs} * interval '1 millisecond'`
      : sql.fragment`NULL`;
  await db.query(sql.typeAlias('none')`
    UPDATE refunds SET
      status = ${to},
      provider_refund_id = coalesce(provider_refund_id,
        ${request.providerRefundId ?? outcome?.providerRefundId ?? null}),
      provider_receipt = coalesce(provider_receipt, ${outcome?.receipt ?? null}),
      provider_code = coalesce(${outcome?.providerCode ?? null}, provider_code),
      failure_code = ${failure?.code ?? (keeps ? refund.failureCode : null)},
      failure_message = ${failure?.message ?? (keeps ? refund.failureMessage : null)},
      review_reason = ${review},
      waiting_for = ${waits ? request.waitingFor : null},
      wait_until = ${waitUntil},
      completed_at = ${waits ? sql.fragment`NULL` : sql.fragment`coalesce(completed_at, now())`},
      updated_at = now()
    WHERE id = ${refund.id}`);
}

/** Moves the refund's amount from where it counted on the payment to where it counts now. */
async function moveMoney(db: Connection, refund: Refund, to: RefundStatus): Promise<void> {
  const from = REFUND_COUNTS_AS[refund.status];
  const now = REFUND_COUNTS_AS[to];
  if (from === now) return;
  const change = (place: 'reserved' | 'refunded') =>
    (now === place ? refund.amountMinor : 0) - (from === place ? refund.amountMinor : 0);
  await db.query(sql.typeAlias('none')`
    UPDATE payments SET amount_reserved = amount_reserved + ${change('reserved')},
      amount_refunded = amount_refunded + ${change('refunded')}, updated_at = now()
    WHERE id = ${refund.paymentId}`);
}

function detailsOf(request: RefundRecordRequest): Record<string, string | number> {
  const { outcome } = request;
  const details: Record<string, string | number | null> = {
    refund: request.refundId,
    receipt: outcome?.receipt ?? null,
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
