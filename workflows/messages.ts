import { defaultPayloadConverter } from '@temporalio/common';
import { defineSignal, defineUpdate } from '@temporalio/workflow';
import type { Control } from '../domain/control.ts';
import type { Decision, RefundDecision } from '../domain/decision.ts';
import { lateOutcomeWorkflowId, lateRefundWorkflowId } from '../domain/id.ts';
import { formatMoney } from '../domain/money.ts';
import type { DeliveryInput } from '../domain/outgoing-event.ts';
import type { PaymentInput, RecoveryInput } from '../domain/payment.ts';
import type { PaymentStatus } from '../domain/payment-states.ts';
import type { LateRefundInput, RefundInput, RefundRecoveryInput } from '../domain/refund.ts';
import type { RefundStatus } from '../domain/refund-states.ts';
import type {
  DeliveredEvent,
  DeliveredRefundEvent,
  SealedWebhookEvent,
} from '../domain/webhook-event.ts';
import { describePayment } from './search-attributes.ts';

export type { UpdateDefinition } from '@temporalio/common';

/** All that others need to start, address and talk to workflows. */
export const TASK_QUEUE = 'malipo';

/** The Schedule that runs the sweeper. */
export const SWEEP_SCHEDULE_ID = 'malipo-sweep';

/** Webhooks have a queue of their own, so that however many wait, no payment waits for them. */
export const DELIVERY_TASK_QUEUE = 'malipo-deliveries';

/** Provider calls have a queue each, so that the server can keep to the provider's rate limit. */
export function providerTaskQueue(provider: string): string {
  return `malipo-provider-${provider}`;
}

/**
 * Which call to a provider goes first; Temporal knows five priorities. `last` is what nobody waits
 * for at the moment: in a review, and after the end.
 */
export const CALL_PRIORITIES = { charge: 1, capture: 2, refund: 3, question: 4, last: 5 } as const;

/** A provider's word, delivered once for each stored callback. */
export const providerEventSignal = defineSignal<[DeliveredEvent]>('providerEvent');

/** Answers when the payment has its first meaningful state; all callers use one update id. */
export const firstStateUpdate = defineUpdate<PaymentStatus>('firstState');
export const FIRST_STATE_UPDATE_ID = 'first-state';

/**
 * Cancels what was not sent yet, or not yet paid where the provider can. Refused, by type:
 * already_sent, payment_closed.
 */
export const cancelUpdate = defineUpdate<PaymentStatus>('cancel');

/** Takes an authorized payment. Refused: not_authorized, capture_refused, payment_closed. */
export const captureUpdate = defineUpdate<PaymentStatus, [{ readonly amountMinor: number }]>(
  'capture',
);

/** What came of a verify: whether the provider was asked for it, and why not, or what it said. */
export type Verified = {
  readonly status: PaymentStatus;
  readonly isAsked: boolean;
  /** Null where the provider told something definite. */
  readonly message: string | null;
};

/** Asks the provider now. Refused, by type: not_sent, payment_closed. */
export const verifyUpdate = defineUpdate<Verified>('verify');

/** What an operator asks of all open payments of a provider. */
export const controlSignal = defineSignal<[Control]>('control');

/** An operator's decision. Refused, by type: not_in_review, invalid_decision. */
export const decideUpdate = defineUpdate<PaymentStatus, [Decision]>('decide');

/** Has a payment or refund asked about that has ended; the number counts from 0. */
export const lookBackSignal = defineSignal<[number]>('lookBack');

/** A provider's word about a refund, delivered once for each stored callback. */
export const refundEventSignal = defineSignal<[DeliveredRefundEvent]>('refundEvent');

/** Answers when the refund has its first meaningful state; see FIRST_STATE_UPDATE_ID. */
export const firstRefundStateUpdate = defineUpdate<RefundStatus>('firstRefundState');

/** An operator's decision on a refund. Refused, by type: not_in_review, invalid_decision. */
export const decideRefundUpdate = defineUpdate<RefundStatus, [RefundDecision]>('decideRefund');

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

/** How what comes too late is taken: signalled to the workflow that is there, or starts one. */
export function lateOutcomeStart(input: PaymentInput, delivered: DeliveredEvent) {
  const signalArgs: [DeliveredEvent] = [delivered];
  return { ...lateOutcome(input), signal: providerEventSignal, signalArgs } as const;
}

/** How a payment that ended without money is asked about again. */
export function lookBackAtPaymentStart(input: PaymentInput, nth: number) {
  const signalArgs: [number] = [nth];
  return { ...lateOutcome(input), signal: lookBackSignal, signalArgs } as const;
}

function lateOutcome(input: PaymentInput) {
  return {
    workflowId: lateOutcomeWorkflowId(input.workflowId),
    taskQueue: TASK_QUEUE,
    args: [input] as [PaymentInput],
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    ...describePayment(input),
    staticSummary: 'late callback, or asked again after the end',
  } as const;
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

/** How what comes too late about a refund is taken; and how one that failed is asked about. */
export function lateRefundStart(input: LateRefundInput, delivered: DeliveredRefundEvent) {
  const signalArgs: [DeliveredRefundEvent] = [delivered];
  return { ...lateRefund(input), signal: refundEventSignal, signalArgs } as const;
}

export function lookBackAtRefundStart(input: LateRefundInput, nth: number) {
  const signalArgs: [number] = [nth];
  return { ...lateRefund(input), signal: lookBackSignal, signalArgs } as const;
}

function lateRefund(input: LateRefundInput) {
  return {
    workflowId: lateRefundWorkflowId(input.workflowId),
    taskQueue: TASK_QUEUE,
    args: [input] as [LateRefundInput],
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    ...describePayment(input),
    staticSummary: 'late word about a refund',
  } as const;
}

/** How a payment is taken up whose own workflow has ended: under its id, so that all find it. */
export function recoveryStart(input: RecoveryInput) {
  return {
    ...paymentStart(input),
    args: [input] as [RecoveryInput],
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
  } as const;
}

/** The same for a refund. */
export function refundRecoveryStart(input: RefundRecoveryInput) {
  return {
    ...refundStart(input),
    args: [input] as [RefundRecoveryInput],
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
  } as const;
}

/** How a callback is held until the database stores it; holding it twice is holding it once. */
export function keepStart(event: SealedWebhookEvent) {
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

/**
 * Temporal's batch that signals every open payment of a provider; a fallback does not change whose
 * a payment is here. @param provider one of the registry's names.
 */
export function controlBatch(jobId: string, provider: string, control: Control) {
  const types = ['payment', 'recoverPayment']
    .map((type) => `WorkflowType = '${type}'`)
    .join(' OR ');
  return {
    jobId,
    reason: control.reason,
    visibilityQuery: `Provider = '${provider}' AND ExecutionStatus = 'Running' AND (${types})`,
    signalOperation: {
      signal: controlSignal.name,
      input: { payloads: [defaultPayloadConverter.toPayload(control)] },
      identity: 'malipo-api',
    },
  };
}

export type SweepInput = {
  readonly unstarted_after_ms: number;
  readonly undelivered_after_ms: number;
  readonly batch: number;
};
