import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { defineSignal, defineUpdate } from '@temporalio/workflow';
import type { Control } from '../domain/control.ts';
import type { Decision, RefundDecision } from '../domain/decision.ts';
import type { ReviewReason } from '../domain/payment.ts';
import type { PaymentStatus } from '../domain/payment-states.ts';
import type { RefundStatus } from '../domain/refund-states.ts';
import type { DeliveredEvent, DeliveredRefundEvent } from '../domain/webhook-event.ts';

export type { UpdateDefinition } from '@temporalio/common';

/** What workflows and those outside them name alike: queues, signals, updates. */
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

/** A provider's event, delivered once for each stored callback. */
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

/** A provider's event about a refund, delivered once for each stored callback. */
export const refundEventSignal = defineSignal<[DeliveredRefundEvent]>('refundEvent');

/** Answers when the refund has its first meaningful state; see FIRST_STATE_UPDATE_ID. */
export const firstRefundStateUpdate = defineUpdate<RefundStatus>('firstRefundState');

/** An operator's decision on a refund. Refused, by type: not_in_review, invalid_decision. */
export const decideRefundUpdate = defineUpdate<RefundStatus, [RefundDecision]>('decideRefund');

/** What a merchant asks of an open payment. `refusal` is set when it was tried and did not go. */
export type Command = {
  readonly kind: 'cancel' | 'capture' | 'verify';
  readonly amountMinor: number | null;
  /** The operator that asked in the merchant's place. */
  readonly by?: string;
  isAnswered: boolean;
  /** Whether the provider was asked for it, of a verify. */
  isAsked?: boolean;
  refusal: string | null;
};

/** Where messages to a payment's run wait while it is busy. */
export type Inbox = {
  readonly hasMessages: () => boolean;
  /** Each takes the oldest of its kind; undefined when there is none. */
  takeEvent(): DeliveredEvent | undefined;
  takeDecision(): Decision | undefined;
  takeCommand(): Command | undefined;
  takeControl(): Control | undefined;
  /** The how-manieth look back is asked for, from 0. */
  takeLookBack(): number | undefined;
  /** Waits until there is a message, at most this long; true when there is one. */
  waitForMessage(timeoutMs: number, summary: string): Promise<boolean>;
};

/** What a payment waits for off the ordinary path; lists in the Web UI are narrowed by it. */
export const WAITING_FOR = defineSearchAttributeKey('WaitingFor', SearchAttributeType.KEYWORD);

/** Its value by where the payment stands; null on the ordinary path. A paused one has `resume`. */
export function waitOffThePath(status: PaymentStatus, reason: ReviewReason | null): string | null {
  return WAITS_OFF_THE_PATH[status](reason);
}

const ORDINARY = () => null;
const WAITS_OFF_THE_PATH = {
  created: ORDINARY,
  processing: ORDINARY,
  requires_action: () => 'payer_action',
  authorized: () => 'capture',
  needs_review: (reason) => `review_${reason ?? 'no_answer'}`,
  succeeded: ORDINARY,
  failed: ORDINARY,
  canceled: ORDINARY,
} as const satisfies Record<PaymentStatus, (reason: ReviewReason | null) => string | null>;

export type SweepInput = {
  readonly unstarted_after_ms: number;
  readonly undelivered_after_ms: number;
  readonly batch: number;
};
