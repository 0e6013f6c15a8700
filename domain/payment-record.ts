import { failure } from './error.ts';
import { type NextAction, type Outcome, unpaid } from './outcome.ts';
import type { ReviewReason, WaitingFor } from './payment.ts';
import type { PaymentEvent, PaymentStatus } from './payment-states.ts';
import type { UnmatchedReceiptReport } from './unmatched-receipt.ts';

/** Who did it. */
export const ACTORS = ['merchant', 'workflow', 'provider', 'operator', 'sweeper'] as const;
export type Actor = (typeof ACTORS)[number];

/**
 * One entry of a payment's story, and with `event` the change of status that goes with it.
 * `key` makes the entry unique for the payment: recording twice is recording once.
 */
export type RecordRequest = {
  readonly paymentId: string;
  readonly attemptId: string;
  readonly key: string;
  readonly action: AuditAction;
  readonly actor: Actor;
  readonly cause: string;
  readonly event: PaymentEvent | null;
  readonly outcome: Outcome | null;
  /** What the payer has to do, where `event` is `action_required`. */
  readonly nextAction?: NextAction | null;
  readonly providerPaymentId: string | null;
  readonly reviewReason: ReviewReason | null;
  /** With neither this nor an `event`, the payment goes on waiting as it did. */
  readonly waitingFor: WaitingFor | null;
  readonly waitMs: number | null;
  /**
   * So many sends of the attempt are proven to have done nothing. Where the row counts more of
   * them, nothing is recorded: one may be at the provider. Absent: the row is not asked.
   */
  readonly provenUnsent?: number;
  /** Money that the callback tells of, beside the payment's own. */
  readonly unmatchedReceipt?: UnmatchedReceiptReport;
  /** True for what is no step of the story: the callback's fate and the provider's id, no entry. */
  readonly isWithoutAuditEntry?: boolean;
  /** Whether the run that writes this sent the charge, or may have, whatever the row remembers. */
  readonly mayBeAtProvider?: boolean;
  /** The stored callback this comes from, and what becomes of it. */
  readonly webhook: {
    readonly eventId: string;
    readonly status: 'applied' | 'parked';
    readonly note: string | null;
  } | null;
};
/** A step that only notes something; what a step does beside that is put over it. */
export const NOTE_ONLY = {
  actor: 'workflow',
  event: null,
  outcome: null,
  nextAction: null,
  providerPaymentId: null,
  reviewReason: null,
  waitingFor: null,
  waitMs: null,
  webhook: null,
} as const satisfies Partial<RecordRequest>;

/** What the provider reported of the payment, and how it came here. */
export type Report = {
  readonly outcome: Outcome;
  /** Makes the entry unique in the payment's trail. */
  readonly key: string;
  readonly cause: string;
  /** The stored callback that reported it; null for an answer. */
  readonly eventId: string | null;
};
/** The first attempt's entries have plain keys; each later attempt has its own. */
export function attemptKey(ordinal: number, key: string): string {
  return ordinal === 1 ? key : `${ordinal}/${key}`;
}

/**
 * A merchant's cancel before anything was sent. The payment's run and the API may both record it,
 * so both have one key: of two at once one is written.
 */
export const CANCELED_UNSENT = {
  key: 'canceled',
  action: 'payment.canceled',
  actor: 'merchant',
  cause: 'canceled before anything was sent',
  event: 'canceled',
  outcome: unpaid('canceled', failure('canceled_by_merchant')),
} as const satisfies Partial<RecordRequest>;

export type RecordResult = {
  readonly status: PaymentStatus;
  /** Why it is in review; absent where it is not. */
  readonly reviewReason?: ReviewReason;
  /** Whether this step changed the status, now or when it was recorded before. */
  readonly changed: boolean;
  readonly refused: boolean;
  /** Nothing was recorded: the row counts more sends than `provenUnsent` of the request. */
  readonly mayBeAtProvider?: true;
};

export const AUDIT_ACTIONS = [
  'payment.created',
  'payment.dispatched',
  'payment.resend_planned',
  'payment.reattempt_planned',
  'payment.provider_accepted',
  'payment.action_required',
  'payment.answer_lost',
  'payment.authorized',
  'payment.succeeded',
  'payment.failed',
  'payment.canceled',
  'payment.review_needed',
  'payment.callback_unclear',
  'payment.callback_refused',
  'payment.late_outcome',
  'payment.decided',
  'payment.outcome_noted',
  'payment.transition_refused',
  'payment.capture_asked',
  'payment.capture_refused',
  'payment.cancel_refused',
  'payment.disputed',
  'payment.reopened',
  'payment.paused',
  'payment.resumed',
  'payment.unmatched_receipt_found',
  'payment.unmatched_receipt_resolved',
  'refund.created',
  'refund.made_at_provider',
  'refund.receipt_asked',
  'refund.receipt_learned',
  'refund.dispatched',
  'refund.provider_accepted',
  'refund.answer_lost',
  'refund.resend_planned',
  'refund.succeeded',
  'refund.failed',
  'refund.taken_back',
  'refund.over_refunded',
  'refund.review_needed',
  'refund.callback_unclear',
  'refund.callback_refused',
  'refund.decided',
  'refund.outcome_noted',
  'refund.reopened',
  'refund.transition_refused',
] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];
