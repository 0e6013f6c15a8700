import { createHash } from 'node:crypto';
import { z } from 'zod';
import { refundWorkflowId } from '../domain/id.ts';
import type { Payment } from '../domain/payment.ts';
import type { ProviderRefund } from '../domain/provider-refund.ts';
import { isRefundOutcome, refundableMinor } from '../domain/refund.ts';
import { nextRefund, REFUND_STATUSES, type RefundStatus } from '../domain/refund-states.ts';
import { appendAudit, findRecordedStep } from './audit.ts';
import { newId } from './ids.ts';
import type { Connection, Pool } from './pool.ts';
import { referToNewest } from './provider-configs.ts';
import { lockPayment, notify } from './record.ts';
import { applyRefundRecord } from './record-refund.ts';
import { takeFromReserved } from './refund-room.ts';
import { toPayment } from './rows.ts';
import { sql } from './sql.ts';
import { findAttemptOf, markWebhookEvent } from './webhook-events.ts';

export type FoundRefund = {
  /** The stored callback that told it; null where the provider was asked. */
  readonly eventId: string | null;
  readonly provider: string;
  readonly account: string | null;
  readonly refund: ProviderRefund;
};

/**
 * Writes down a refund that was made at the provider, not by us: a row of `refunds` like any other,
 * but without a key of the merchant's, and counted at once, since its money has left. The same
 * refund told again changes nothing but its status. One of ours is known by the provider's id.
 * @returns parked where the payment has taken no money yet: it is told too early, or of nothing.
 */
export function recordProviderRefund(
  pool: Pool,
  found: FoundRefund,
): Promise<'recorded' | 'nothing_new' | 'parked'> {
  const { provider, account, refund } = found;
  return pool.transaction(async (db) => {
    const attempt = await findAttemptOf(db, { provider, account }, refund.providerPaymentId);
    if (attempt === null) return await ignore(db, found, null, 'it names no payment of ours');
    const payment = toPayment(await lockPayment(db, attempt.payment_id));
    const known = await findKnown(db, payment.id, refund.providerRefundId);
    if (known?.origin === 'malipo') {
      return await ignore(db, found, payment.id, 'a refund of ours, whose own events tell of it');
    }
    if (known === null && attempt.id !== payment.attemptId) return await note(db, found, payment);
    const fault = known === null ? faultOf(payment, refund) : null;
    if (fault !== null) return await park(db, found, payment.id, fault);
    const row = known ?? (await insert(db, payment, attempt.credentials_ref, refund));
    return await settle(db, found, payment.id, row);
  });
}

type Known = z.infer<typeof knownRow>;
const knownRow = z.object({
  id: z.string(),
  origin: z.enum(['malipo', 'provider']),
  status: z.enum(REFUND_STATUSES),
});

async function findKnown(db: Connection, paymentId: string, id: string): Promise<Known | null> {
  return await db.maybeOne(sql.type(knownRow)`
    SELECT id, origin, status FROM refunds
    WHERE payment_id = ${paymentId} AND provider_refund_id = ${id}
    ORDER BY origin LIMIT 1`);
}

/** Why it cannot be counted, now or at all. */
function faultOf(payment: Payment, { currency }: ProviderRefund): string | null {
  if (currency !== payment.currency)
    return `a refund in ${currency} of a ${payment.currency} payment`;
  if (payment.amountCapturedMinor > 0) return null;
  return `a refund made at the provider, of a payment that is ${payment.status} and took nothing`;
}

async function ignore(db: Connection, found: FoundRefund, paymentId: string | null, note: string) {
  if (found.eventId !== null) {
    const mark = { eventId: found.eventId, status: 'applied', note } as const;
    await markWebhookEvent(db, mark, paymentId);
  }
  return 'nothing_new' as const;
}

async function park(db: Connection, { eventId }: FoundRefund, paymentId: string, note: string) {
  if (eventId !== null) await markWebhookEvent(db, { eventId, status: 'parked', note }, paymentId);
  return 'parked' as const;
}

/** Money of another charge than the payment's own: it counts in none of the payment's sums. */
async function note(db: Connection, found: FoundRefund, payment: Payment) {
  const { providerRefundId, amountMinor, result } = found.refund;
  const text = 'a refund of an earlier attempt';
  const key = `made-at-provider/${providerRefundId}/${result.kind}`;
  if ((await findRecordedStep(db, payment.id, key)) !== null) {
    return await ignore(db, found, payment.id, text);
  }
  await appendAudit(db, {
    paymentId: payment.id,
    key,
    action: 'refund.made_at_provider',
    from: null,
    to: null,
    actor: 'provider',
    cause: `${text}, made at the provider: ${result.kind}`,
    details: { provider_refund: providerRefundId, amount: amountMinor },
  });
  await ignore(db, found, payment.id, text);
  await notify(db, payment.id);
  return 'recorded' as const;
}

/** Its money has left, so that reservations for refunds of ours give way to it. */
async function insert(
  db: Connection,
  payment: Payment,
  credentialsRef: string,
  { providerRefundId, amountMinor, result }: ProviderRefund,
): Promise<Known> {
  const id = newId('refund');
  const left = refundableMinor(payment);
  const room = await takeFromReserved(db, payment.id, amountMinor - left);
  const counted = Math.min(amountMinor, left + room);
  const hash = createHash('sha256').update(`${payment.id}\n${providerRefundId}`).digest('hex');
  const waitMs = payment.policy.refund.result_wait_ms;
  // It is claimed as sent, so that nothing here ever sends it; a silent one is asked about.
  await db.query(sql.typeAlias('none')`
    INSERT INTO refunds (id, origin, payment_id, merchant_id, workflow_id, credentials_ref, status,
      amount, amount_over, currency, provider_refund_id, dispatch_count, dispatched_at,
      waiting_for, wait_until)
    VALUES (${id}, 'provider', ${payment.id}, ${payment.merchantId},
      ${refundWorkflowId(hash.slice(0, 32))}, ${await referToNewest(db, credentialsRef)}, 'pending',
      ${amountMinor}, ${amountMinor - counted}, ${payment.currency}, ${providerRefundId}, 1, now(),
      'callback', now() + ${waitMs} * interval '1 millisecond')`);
  await db.query(sql.typeAlias('none')`
    UPDATE payments SET amount_reserved = amount_reserved + ${counted}, updated_at = now()
    WHERE id = ${payment.id}`);
  await appendAudit(db, {
    paymentId: payment.id,
    key: `${id}/made-at-provider`,
    action: 'refund.made_at_provider',
    from: null,
    to: 'pending',
    actor: 'provider',
    cause: `it was made at the provider, and not by us; it is ${result.kind}`,
    details: { refund: id, provider_refund: providerRefundId, amount: amountMinor },
  });
  await notify(db, payment.id);
  return { id, origin: 'provider', status: 'pending' };
}

/** How the provider says that it stands, by the table of refunds. */
async function settle(db: Connection, found: FoundRefund, paymentId: string, row: Known) {
  const { result, providerRefundId } = found.refund;
  if (!isRefundOutcome(result) || nextRefund(row.status, result.kind).kind === 'already_there') {
    return await ignore(db, found, paymentId, `made at the provider; it is ${row.status}`);
  }
  const { eventId } = found;
  const isLate = row.status === 'failed';
  await applyRefundRecord(db, {
    refundId: row.id,
    paymentId,
    key: eventId === null ? `${row.id}/asked/${result.kind}/${row.status}` : `event/${eventId}`,
    action: isTakenBack(row.status, result.kind) ? 'refund.taken_back' : `refund.${result.kind}`,
    actor: 'provider',
    cause: `made at the provider: ${result.kind}`,
    event: result.kind,
    outcome: result,
    providerRefundId,
    reviewReason: isLate ? 'late_success' : null,
    waitingFor: isLate ? 'review' : null,
    waitMs: null,
    webhook: eventId === null ? null : { eventId, status: 'applied', note: null },
  });
  return 'recorded' as const;
}

function isTakenBack(status: RefundStatus, kind: 'succeeded' | 'failed'): boolean {
  return status === 'succeeded' && kind === 'failed';
}
