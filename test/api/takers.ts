import { recordDispatch } from '../../db/dispatch.ts';
import type { Pool } from '../../db/pool.ts';
import { record } from '../../db/record.ts';
import { recordRefund } from '../../db/record-refund.ts';
import type { PaymentInput } from '../../domain/payment.ts';
import type { RefundInput } from '../../domain/refund.ts';
import { makeRecord, makeRefundRecord } from '../factories.ts';

/** Takes payments up as a workflow does whose provider then asks the payer. */
export function takePaymentsIn(pool: Pool) {
  return async ({ paymentId, attemptId }: PaymentInput): Promise<boolean> => {
    await recordDispatch(pool, { paymentId, attemptId, send: 1, nonce: 'nonce' });
    const payment = { id: paymentId, attemptId };
    const action = 'payment.provider_accepted';
    const waits = { key: 'accepted', waitingFor: 'callback', waitMs: 30_000 } as const;
    await record(pool, makeRecord(payment, { action, ...waits }));
    return true;
  };
}

/** Takes refunds up as a workflow does whose provider gives the money back at once. */
export function settleRefundsIn(pool: Pool) {
  return async ({ refundId, paymentId }: RefundInput): Promise<boolean> => {
    const refund = { id: refundId, paymentId };
    const changes = { actor: 'workflow', event: 'succeeded', providerRefundId: 're_1' } as const;
    await recordRefund(pool, makeRefundRecord(refund, changes));
    return true;
  };
}
