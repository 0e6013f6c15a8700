import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { defineSignal, defineUpdate } from '@temporalio/workflow';
import type { Decision } from '../domain/decision.ts';
import { lateOutcomeWorkflowId } from '../domain/id.ts';
import { formatMoney } from '../domain/money.ts';
import type { PaymentInput } from '../domain/payment.ts';
import type { PaymentStatus } from '../domain/payment-states.ts';
import type { DeliveredEvent } from '../domain/webhook-event.ts';

/** All that others need to start, address and talk to workflows. */
export const TASK_QUEUE = 'malipo';

/** Provider calls have a queue each, so that the server can keep to the provider's rate limit. */
export function providerTaskQueue(provider: string): string {
  return `malipo-provider-${provider}`;
}

/** A provider's word, delivered once for each stored callback. */
export const providerEventSignal = defineSignal<[DeliveredEvent]>('providerEvent');

/** Answers when the payment has its first meaningful state; all callers use one update id. */
export const firstStateUpdate = defineUpdate<PaymentStatus>('firstState');
export const FIRST_STATE_UPDATE_ID = 'first-state';

/** Cancels what was not sent yet. Refused, by type: already_sent, payment_closed. */
export const cancelUpdate = defineUpdate<PaymentStatus>('cancel');

/** An operator's decision. Refused, by type: not_in_review, invalid_decision. */
export const decideUpdate = defineUpdate<PaymentStatus, [Decision]>('decide');

export const SEARCH_ATTRIBUTES = {
  PaymentId: SearchAttributeType.KEYWORD,
  MerchantId: SearchAttributeType.KEYWORD,
  Provider: SearchAttributeType.KEYWORD,
  Currency: SearchAttributeType.KEYWORD,
  AmountMinor: SearchAttributeType.INT,
} as const;

const PAYMENT_ID = defineSearchAttributeKey('PaymentId', SearchAttributeType.KEYWORD);
const MERCHANT_ID = defineSearchAttributeKey('MerchantId', SearchAttributeType.KEYWORD);
const PROVIDER = defineSearchAttributeKey('Provider', SearchAttributeType.KEYWORD);
const CURRENCY = defineSearchAttributeKey('Currency', SearchAttributeType.KEYWORD);
const AMOUNT_MINOR = defineSearchAttributeKey('AmountMinor', SearchAttributeType.INT);

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

/** What operators see of a workflow in lists; nothing personal. */
function describePayment(input: PaymentInput) {
  const { amountMinor, currency } = input;
  return {
    typedSearchAttributes: [
      { key: PAYMENT_ID, value: input.paymentId },
      { key: MERCHANT_ID, value: input.merchantId },
      { key: PROVIDER, value: input.provider },
      { key: CURRENCY, value: currency },
      { key: AMOUNT_MINOR, value: amountMinor },
    ],
    staticSummary: `${formatMoney({ amountMinor, currency })} by ${input.provider}`,
    staticDetails: `Payment ${input.paymentId} of merchant ${input.merchantId}`,
  };
}

/** How what comes too late is taken: signalled to the workflow that is there, or starts one. */
export function lateOutcomeStart(input: PaymentInput, delivered: DeliveredEvent) {
  return {
    workflowId: lateOutcomeWorkflowId(input.workflowId),
    taskQueue: TASK_QUEUE,
    args: [input] as [PaymentInput],
    signal: providerEventSignal,
    signalArgs: [delivered] as [DeliveredEvent],
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    ...describePayment(input),
    staticSummary: 'late callback',
  } as const;
}

export type SweepInput = {
  readonly unstarted_after_ms: number;
  readonly undelivered_after_ms: number;
  readonly batch: number;
};
