import type { CaptureMethod } from './capture.ts';
import type { Dispute } from './dispute.ts';
import type { FailureCode } from './error.ts';
import type { Currency } from './money.ts';
import type { NextAction, Outcome } from './outcome.ts';
import type { PaymentEvent, PaymentStatus } from './payment-states.ts';
import type { ProviderPolicy } from './policy.ts';
import type { RunLimits } from './run-limits.ts';
import type { Surplus, SurplusReport } from './surplus.ts';

/** What a payment's workflow is started with. No secret and no personal data: see ADR 0003. */
export type PaymentInput = {
  readonly paymentId: string;
  readonly attemptId: string;
  readonly merchantId: string;
  readonly workflowId: string;
  readonly provider: string;
  readonly credentialsRef: string;
  readonly amountMinor: number;
  readonly currency: Currency;
  readonly policy: ProviderPolicy;
  /** Absent in workflows started before 0.2.0. */
  readonly captureMethod?: CaptureMethod;
  readonly can?: ProviderAbilities;
  /** Of the attempt that is to be sent first; 1 unless the workflow is built anew. */
  readonly attemptOrdinal?: number;
  /** Where later attempts go, from the second on. */
  readonly fallbacks?: readonly Route[];
  /** Absent for a new payment, and in workflows started before 0.3.0. */
  readonly standing?: Standing;
  /** Whether an operator holds it, who paused it in an earlier run. */
  readonly isPaused?: boolean;
  /** Absent: those of `domain/run-limits.ts`. */
  readonly limits?: RunLimits;
};

/** Where a payment stood when its workflow was built anew, or was started for late news. */
export type Standing = {
  readonly status: PaymentStatus;
  /** Why it was in review; absent in workflows that were started without it. */
  readonly reviewReason?: ReviewReason | null;
  /** The provider's id of the current attempt. */
  readonly providerPaymentId: string | null;
  /** Its ids of the attempts before; they may be of another provider. */
  readonly earlierProviderIds: readonly string[];
};

/** What a payment is taken up with whose own workflow ended before it did. */
export type RecoveryInput = PaymentInput & {
  readonly reviewReason: ReviewReason | null;
  /** How long the wait that it was in still lasts; null when it had no end. */
  readonly leftMs: number | null;
  /** What shows that its row is older than its workflow: then no row proves that it was unsent. */
  readonly lostHistory?: string;
  /** Set where a run that had become long goes on: nothing was lost, and nothing is said of it. */
  readonly continued?: {
    /** See `Book`. */
    readonly ordinals: Readonly<Record<'capture' | 'cancel', number>>;
  };
};

/** Which provider takes an attempt, with whose credentials, by which policy. */
export type Route = {
  readonly provider: string;
  readonly credentialsRef: string;
  readonly policy: ProviderPolicy;
  readonly can?: ProviderAbilities;
};

/** What the provider's capabilities mean for a workflow; in its input, so that replays agree. */
export type ProviderAbilities = {
  readonly dedupes_by_our_id: boolean;
  readonly looks_up_by_our_id: boolean;
  readonly cancel: boolean;
  readonly capture: boolean;
  /** What a refund is made by; absent where there are none, and in workflows before 0.3.0. */
  readonly refund_needs?: 'provider_payment_id' | 'provider_receipt';
};

/** A payment as its row stands. Personal data only masked. */
export type Payment = {
  readonly id: string;
  readonly merchantId: string;
  readonly idempotencyKey: string;
  readonly fingerprint: string;
  readonly workflowId: string;
  readonly attemptId: string;
  readonly attemptOrdinal: number;
  readonly fallbacks: readonly Omit<Route, 'can'>[];
  readonly status: PaymentStatus;
  readonly provider: string;
  readonly credentialsRef: string;
  readonly amountMinor: number;
  readonly currency: Currency;
  readonly amountCapturedMinor: number;
  readonly amountRefundedMinor: number;
  /** Refunds on their way. */
  readonly amountReservedMinor: number;
  /** What lost disputes took. */
  readonly amountDisputedMinor: number;
  readonly customerId: string | null;
  readonly phoneMasked: string | null;
  readonly emailMasked: string | null;
  readonly nameMasked: string | null;
  readonly paymentMethod: string | null;
  readonly captureMethod: CaptureMethod;
  readonly reference: string;
  readonly description: string | null;
  readonly returnUrl: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly nextAction: Readonly<Record<string, string>> | null;
  readonly failureCode: FailureCode | null;
  readonly failureMessage: string | null;
  /** The provider asked never to try again. */
  readonly isFailureFinal: boolean;
  readonly providerCode: string | null;
  readonly providerPaymentId: string | null;
  /** Of the attempts before the current one. */
  readonly earlierProviderIds: readonly string[];
  readonly providerReceipt: string | null;
  readonly reviewReason: ReviewReason | null;
  /** In the order in which we heard of them. */
  readonly disputes: readonly Dispute[];
  /** Money that came beside the payment's own. */
  readonly surplus: readonly Surplus[];
  readonly waitingFor: WaitingFor | null;
  readonly waitUntil: string | null;
  readonly policy: ProviderPolicy;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly completedAt: string | null;
};

/** Why nobody but a person can say how a payment ended. */
export const REVIEW_REASONS = [
  'no_answer',
  'amount_mismatch',
  'contradiction',
  'late_success',
  'late_amount_mismatch',
  'history_lost',
] as const;
export type ReviewReason = (typeof REVIEW_REASONS)[number];

/** What an open payment waits for; shown by GET …/execution. */
export const WAITING_FOR = [
  'provider_answer',
  'resend',
  'payer_action',
  'callback',
  'lookup',
  'capture',
  'review',
  'resume',
] as const;
export type WaitingFor = (typeof WAITING_FOR)[number];

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
  readonly surplus?: SurplusReport;
  /** True for what is no step of the story: the callback's fate and the provider's id, no entry. */
  readonly isSilent?: boolean;
  /** Whether the run that writes this sent the charge, or may have, whatever the row remembers. */
  readonly mayBeAtProvider?: boolean;
  /** The stored callback this comes from, and what becomes of it. */
  readonly webhook: {
    readonly eventId: string;
    readonly status: 'applied' | 'parked';
    readonly note: string | null;
  } | null;
};
export type RecordResult = {
  readonly status: PaymentStatus;
  /** Why it is in review; absent where it is not, and in results of earlier versions. */
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
  'payment.settled',
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
  'payment.recovered',
  'payment.paused',
  'payment.resumed',
  'payment.surplus_found',
  'payment.surplus_resolved',
  'refund.created',
  'refund.made_at_provider',
  'refund.receipt_asked',
  'refund.receipt_learned',
  'refund.dispatched',
  'refund.provider_accepted',
  'refund.answer_lost',
  'refund.resend_planned',
  'refund.settled',
  'refund.taken_back',
  'refund.over_refunded',
  'refund.review_needed',
  'refund.callback_unclear',
  'refund.callback_refused',
  'refund.decided',
  'refund.outcome_noted',
  'refund.recovered',
  'refund.transition_refused',
] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];
