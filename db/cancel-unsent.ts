import { z } from 'zod';
import type { Payment } from '../domain/payment.ts';
import { attemptKey, CANCELED_UNSENT } from '../domain/payment-record.ts';
import type { Pool } from './pool.ts';
import { applyRecord, lockPayment } from './record.ts';
import { sql } from './sql.ts';

/**
 * Cancels a payment that no run has claimed for sending; afterwards none can. It needs no
 * workflow: the row's lock puts it before or after the claim of a send, never between. The one that
 * runs finds the payment ended.
 * @returns whether the payment is canceled now; false where it was sent, may have been, or ended
 * otherwise.
 */
export function cancelUnsent(pool: Pool, { id }: Pick<Payment, 'id'>): Promise<boolean> {
  return pool.transaction(async (db) => {
    const payment = await lockPayment(db, id);
    if (payment.status !== 'created') return payment.status === 'canceled';
    const { is_claimed } = await db.one(sql.type(claimedRow)`
      SELECT bool_or(dispatch_count > 0) AS is_claimed FROM attempts WHERE payment_id = ${id}`);
    if (is_claimed) return false;
    const { status } = await applyRecord(db, payment, {
      ...CANCELED_UNSENT,
      key: attemptKey(payment.attempt_ordinal, CANCELED_UNSENT.key),
      paymentId: id,
      attemptId: payment.attempt_id,
      providerPaymentId: null,
      reviewReason: null,
      waitingFor: null,
      waitMs: null,
      webhook: null,
    });
    return status === 'canceled';
  });
}

const claimedRow = z.object({ is_claimed: z.boolean() });
