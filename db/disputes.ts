import type { Dispute } from '../domain/webhook-event.ts';
import { appendAudit } from './audit.ts';
import type { Pool } from './pool.ts';
import { notify } from './record.ts';
import { sql } from './sql.ts';
import { markWebhookEvent } from './webhook-events.ts';

/**
 * Writes a dispute onto the payment it is about. It changes no status: the money was moved, and the
 * payer's bank is asking for it. The same callback again changes nothing.
 * @returns false when there is no such payment.
 */
export function recordDispute(
  pool: Pool,
  found: { readonly eventId: string; readonly provider: string; readonly dispute: Dispute },
): Promise<boolean> {
  const { eventId, provider, dispute } = found;
  return pool.transaction(async (db) => {
    const payment = await db.maybeOne(sql.typeAlias('id')`
      UPDATE payments SET dispute = ${sql.jsonb(dispute)}, updated_at = now()
      WHERE id = (SELECT id FROM payments
        WHERE provider = ${provider} AND provider_payment_id = ${dispute.providerPaymentId}
        ORDER BY id LIMIT 1)
        AND NOT (coalesce(dispute->>'status', 'open') <> 'open' AND ${dispute.status} = 'open'
          AND dispute->>'providerDisputeId' = ${dispute.providerDisputeId})
      RETURNING id`);
    if (payment === null) return false;
    await appendAudit(db, {
      paymentId: payment.id,
      key: `event/${eventId}`,
      action: 'payment.disputed',
      from: null,
      to: null,
      actor: 'provider',
      cause: `dispute ${dispute.status}: ${dispute.reason}`,
      details: { dispute: dispute.providerDisputeId, amount: dispute.amountMinor },
    });
    await markWebhookEvent(db, { eventId, status: 'applied', note: null }, payment.id);
    await notify(db, payment.id);
    return true;
  });
}
