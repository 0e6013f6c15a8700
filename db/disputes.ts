import { z } from 'zod';
import type { Dispute } from '../domain/dispute.ts';
import { appendAudit, findRecordedStep } from './audit.ts';
import type { Pool } from './pool.ts';
import { notify } from './record.ts';
import { sql } from './sql.ts';
import { isSentBy, markWebhookEvent } from './webhook-events.ts';

const disputedRow = z.object({
  id: z.string(),
  dispute_id: z.string().nullable(),
  dispute_status: z.string().nullable(),
});

/**
 * Writes a dispute onto the payment it is about. It changes no status: the money was moved, and the
 * payer's bank is asking for it. One that is said to be open after its end is nothing new.
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
    const payment = await db.maybeOne(sql.type(disputedRow)`
      SELECT p.id, p.dispute->>'providerDisputeId' AS dispute_id,
        p.dispute->>'status' AS dispute_status
      FROM attempts a JOIN payments p ON p.id = a.payment_id
      WHERE ${isSentBy(provider, account)} AND a.provider_payment_id = ${dispute.providerPaymentId}
      ORDER BY p.id LIMIT 1 FOR UPDATE OF p`);
    if (payment === null) return 'unknown';
    const key = `event/${eventId}`;
    const isSame = payment.dispute_id === dispute.providerDisputeId;
    const isOver = isSame && payment.dispute_status !== 'open' && dispute.status === 'open';
    if (isOver || (await findRecordedStep(db, payment.id, key)) !== null) {
      const note = 'nothing new';
      await markWebhookEvent(db, { eventId, status: 'applied', note }, payment.id);
      return 'nothing_new';
    }
    await db.query(sql.typeAlias('none')`
      UPDATE payments SET dispute = ${sql.jsonb(dispute)}, updated_at = now()
      WHERE id = ${payment.id}`);
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
