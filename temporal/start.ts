import { formatMoney } from '../domain/money.ts';
import type { DeliveryInput } from '../domain/outgoing-event.ts';
import type { PaymentInput } from '../domain/payment.ts';
import type { RefundInput } from '../domain/refund.ts';
import type { SealedWebhookEvent } from '../domain/webhook-event.ts';
import { DELIVERY_TASK_QUEUE, TASK_QUEUE } from '../workflows/messages.ts';
import { describePayment } from './search-attributes.ts';

/** How a payment's workflow is started, by whoever starts it; starting twice is starting once. */
export function paymentStart(input: PaymentInput) {
  return {
    workflowId: input.workflowId,
    taskQueue: TASK_QUEUE,
    args: [input] as [PaymentInput],
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    workflowIdConflictPolicy: 'USE_EXISTING',
    ...describePayment(input),
  } as const;
}

/**
 * How a payment's workflow is reopened whose last run has closed. Temporal keeps one open run for
 * an id: whoever else reopens it joins that one. @param input with `standing`.
 */
export function paymentReopen(input: PaymentInput) {
  return { ...paymentStart(input), workflowIdReusePolicy: 'ALLOW_DUPLICATE' } as const;
}

/** How a refund's workflow is started, by whoever starts it; starting twice is starting once. */
export function refundStart(input: RefundInput) {
  return {
    workflowId: input.workflowId,
    taskQueue: TASK_QUEUE,
    args: [input] as [RefundInput],
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    workflowIdConflictPolicy: 'USE_EXISTING',
    ...describePayment(input),
    memo: { refundId: input.refundId },
    staticSummary: `refund of ${formatMoney(input)} by ${input.provider}`,
    staticDetails: `Refund ${input.refundId} of payment ${input.paymentId}`,
  } as const;
}

/** As `paymentReopen`, for a refund. */
export function refundReopen(input: RefundInput) {
  return { ...refundStart(input), workflowIdReusePolicy: 'ALLOW_DUPLICATE' } as const;
}

/** How a callback is held until the database stores it; holding it twice is holding it once. */
export function storeCallbackStart(event: SealedWebhookEvent) {
  return {
    workflowId: `callback-${event.id}`,
    taskQueue: TASK_QUEUE,
    args: [event] as [SealedWebhookEvent],
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    workflowIdConflictPolicy: 'USE_EXISTING',
    staticSummary: `a callback of ${event.provider}, held until the database stores it`,
  } as const;
}

/** How a delivery's workflow is started. @param run counts from 1; a re-send is another. */
export function deliveryStart(input: DeliveryInput, run: number) {
  return {
    workflowId: `delivery-${input.deliveryId}-${run}`,
    taskQueue: DELIVERY_TASK_QUEUE,
    args: [input] as [DeliveryInput],
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    workflowIdConflictPolicy: 'USE_EXISTING',
    staticSummary: `webhook ${input.deliveryId}`,
  } as const;
}
