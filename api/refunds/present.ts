import type { z } from 'zod';
import { formatMoney } from '../../domain/money.ts';
import { REFUND_FAILURES, type Refund } from '../../domain/refund.ts';
import { isRefundClosed } from '../../domain/refund-states.ts';
import type { Engine } from '../../temporal/engine.ts';
import type { refundResponse } from './response.ts';

export function presentRefund(refund: Refund, engine: Engine): z.input<typeof refundResponse> {
  return {
    id: refund.id,
    object: 'refund',
    payment_id: refund.paymentId,
    origin: refund.origin,
    status: refund.status,
    amount: refund.amountMinor,
    amount_text: formatMoney(refund),
    amount_over: refund.amountOverMinor,
    currency: refund.currency,
    reason: refund.reason,
    failure: presentFailure(refund),
    review_reason: refund.reviewReason,
    waiting_for: refund.waitingFor,
    wait_until: refund.waitUntil,
    provider_refund_id: refund.providerRefundId,
    provider_receipt: refund.providerReceipt,
    workflow: { id: refund.workflowId, url: engine.workflowUrl(refund.workflowId) },
    idempotency_key: refund.idempotencyKey,
    metadata: refund.metadata,
    created_at: refund.createdAt,
    updated_at: refund.updatedAt,
    completed_at: refund.completedAt,
  };
}

/** Until it has ended the money may still go out: nobody is told to give it back again. */
function presentFailure({ failureCode, failureMessage, providerCode, status }: Refund) {
  if (failureCode === null) return null;
  const { who } = REFUND_FAILURES[failureCode];
  return {
    code: failureCode,
    message: failureMessage,
    retry: who === 'nobody' || !isRefundClosed(status) ? ('never' as const) : who,
    provider_code: providerCode,
  };
}
