import type { CaptureMethod } from './capture.ts';
import type { Dispute } from './dispute.ts';
import type { FailureCode } from './error.ts';
import type { Currency } from './money.ts';
import type { PaymentStatus } from './payment-states.ts';
import type { ProviderPolicy } from './policy.ts';
import type { RunLimits } from './run-limits.ts';
import type { UnmatchedReceipt } from './unmatched-receipt.ts';

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
  readonly captureMethod: CaptureMethod;
  readonly can: ProviderAbilities;
  /** Of the current attempt, from 1. */
  readonly attemptOrdinal: number;
  /** Where later attempts go, from the second on. */
  readonly fallbacks: readonly Route[];
  /** Set for a run of a payment that had one before: such a run never sends a charge. */
  readonly standing?: Standing;
  /** Absent: those of `domain/run-limits.ts`. */
  readonly limits?: RunLimits;
};

/** Where a payment stands when a run of its workflow is reopened, or goes on as a new run. */
export type Standing = {
  readonly status: PaymentStatus;
  readonly reviewReason: ReviewReason | null;
  /** The provider's id of the current attempt. */
  readonly providerPaymentId: string | null;
  /** Its ids of the attempts before; they may be of another provider. */
  readonly earlierProviderIds: readonly string[];
  /** How long the wait that it was in still lasts; null when it had no end. */
  readonly leftMs: number | null;
  /** Whether an operator paused it. */
  readonly isPaused: boolean;
  /** What shows that its row is older than its runs: then no row proves that it was unsent. */
  readonly lostHistory: string | null;
  /** Set where a run that had become long goes on as a new one: nothing was lost. */
  readonly continued?: Continued;
};

/** What a run hands to the one that continues it. */
export type Continued = {
  /** Whether the run before was a reopened one. */
  readonly wasReopened: boolean;
  /** Which of our keys the next capture or cancel goes by. */
  readonly ordinals: Readonly<Record<'capture' | 'cancel', number>>;
};

/** Which provider takes an attempt, with whose credentials, by which policy. */
export type Route = {
  readonly provider: string;
  readonly credentialsRef: string;
  readonly policy: ProviderPolicy;
  readonly can: ProviderAbilities;
};

/** What the provider's capabilities mean for a workflow; in its input, so that replays agree. */
export type ProviderAbilities = {
  readonly dedupes_by_our_id: boolean;
  readonly looks_up_by_our_id: boolean;
  readonly cancel: boolean;
  readonly capture: boolean;
  /** What a refund is made by; absent where there are none. */
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
  readonly unmatchedReceipts: readonly UnmatchedReceipt[];
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
