import { addDispute, type Dispute, lostMinor } from '../domain/dispute.ts';
import { appendAudit, findRecordedStep } from './audit.ts';
import type { Connection, Pool } from './pool.ts';
import { lockPayment, notify } from './record.ts';
import { takeFromReserved } from './refund-room.ts';
import { sql } from './sql.ts';
import { findAttemptOf, markWebhookEvent } from './webhook-events.ts';

/**
 * Writes a dispute onto the payment it is about, beside others of that payment. It changes no
 * status: the money was moved, and the payer's bank is asking for it. What a lost one took is no
 * longer there to be refunded.
 * @returns unknown when the account that speaks took no such payment.
 */
export function recordDispute(
  pool: Pool,
  found: {
    readonly eventId: string;
    readonly provider: string;
    readonly account: string | null;
    readonly dispute: Dispute;
  },
): Promise<'recorded' | 'nothing_new' | 'unknown'> {
  const { eventId, provider, account, dispute } = found;
  return pool.transaction(async (db) => {
    const attempt = await findAttemptOf(db, { provider, account }, dispute.providerPaymentId);
    if (attempt === null) return 'unknown';
    const payment = await lockPayment(db, attempt.payment_id);
    const key = `event/${eventId}`;
    const disputes = addDispute(payment.disputes, dispute);
    if (disputes === null || (await findRecordedStep(db, payment.id, key)) !== null) {
      const note = 'nothing new';
      await markWebhookEvent(db, { eventId, status: 'applied', note }, payment.id);
      return 'nothing_new';
    }
    await writeDisputes(db, payment, disputes);
    await appendAudit(db, {
      paymentId: payment.id,
      key,
      action: 'payment.disputed',
      from: null,
      to: null,
      actor: 'provider',
      cause: `dispute ${dispute.status}: ${dispute.reason}`,
      details: { dispute: dispute.providerDisputeId, amount: dispute.amountMinor },
    });
    await markWebhookEvent(db, { eventId, status: 'applied', note: null }, payment.id);
    await notify(db, payment.id);
    return 'recorded';
  });
}

type Locked = Awaited<ReturnType<typeof lockPayment>>;

/** Lost money is gone: reservations for refunds give way, and what was refunded stays refunded. */
async function writeDisputes(
  db: Connection,
  { id, currency, amount_captured, amount_refunded, amount_reserved }: Locked,
  disputes: readonly Dispute[],
): Promise<void> {
  const lost = lostMinor(disputes, currency, amount_captured);
  const left = amount_captured - amount_refunded - amount_reserved;
  const room = await takeFromReserved(db, id, lost - left);
  await db.query(sql.typeAlias('none')`
    UPDATE payments SET disputes = ${sql.jsonb(disputes)},
      amount_disputed = ${Math.min(lost, left + room)}, updated_at = now()
    WHERE id = ${id}`);
}
