import type { Currency, Money } from './money.ts';
import type { Unclear } from './outcome.ts';
import type { ProviderAbilities, WaitingFor } from './payment.ts';
import type { Actor, AuditAction, RecordRequest } from './payment-record.ts';
import type { ProviderPolicy } from './policy.ts';
import type { ReceiptEvent } from './receipt.ts';
import type { RefundEvent, RefundStatus } from './refund-states.ts';
import type { RunLimits } from './run-limits.ts';

/** Why a refund failed: the money stayed with the merchant. */
export const REFUND_FAILURES = {
  // table
  declined: { who: 'nobody', text: 'The provider declined the refund.' },
  insufficient_balance: { who: 'merchant', text: 'Your balance at the provider is too low.' },
  amount_refused: { who: 'merchant', text: 'Less of this payment is left at the provider.' },
  already_reversed: { who: 'nobody', text: 'The provider has reversed this payment already.' },
  not_reachable: { who: 'nobody', text: 'The payer’s account or card takes no money any more.' },
  disputed: { who: 'nobody', text: 'The payment is disputed; a dispute decides about the money.' },
  receipt_unknown: { who: 'merchant', text: 'It is refunded by a receipt that nobody told.' },
  receipt_refused: { who: 'merchant', text: 'The provider does not know the payment’s receipt.' },
  misconfigured: { who: 'merchant', text: 'The provider refused our configuration.' },
  provider_unavailable: { who: 'later', text: 'The provider could not take it; nothing moved.' },
} as const satisfies Record<string, { who: 'merchant' | 'later' | 'nobody'; text: string }>;
export type RefundFailureCode = keyof typeof REFUND_FAILURES;

/** Why nobody but a person can say how a refund ended. */
export const REFUND_REVIEW_REASONS = [
  'no_answer',
  'amount_mismatch',
  'late_success',
  'over_refunded',
] as const;
export type RefundReviewReason = (typeof REFUND_REVIEW_REASONS)[number];

export type RefundFailure = {
  readonly code: RefundFailureCode;
  readonly message: string;
  readonly providerCode: string | null;
};

/** Builds a refund's failure with our standard words, or with words that say more. */
export function refundFailure(
  code: RefundFailureCode,
  providerCode: string | null = null,
  message: string = REFUND_FAILURES[code].text,
): RefundFailure {
  return { code, message, providerCode };
}

/** Something definite about a refund. */
export type RefundOutcome = {
  readonly kind: 'succeeded' | 'failed';
  readonly providerRefundId: string | null;
  readonly receipt: string | null;
  /** What the provider says it gave back; null when it does not say. */
  readonly amountMinor: number | null;
  readonly failure: RefundFailure | null;
  readonly providerCode: string | null;
};
/** A refund that gave nothing back; `providerCode` is the wire's own. */
export function refundFailed(
  failure: RefundFailure,
  providerCode: string | null = failure.providerCode,
): RefundOutcome {
  const nothing = { providerRefundId: null, receipt: null, amountMinor: null };
  return { kind: 'failed', ...nothing, failure, providerCode };
}
/** Nothing definite. `pending`: the provider is at it. `unknown`: we could not understand. */
export type RefundInconclusive = {
  readonly kind: 'pending' | 'unknown';
  readonly providerRefundId: string | null;
  readonly providerCode: string | null;
  readonly message: string;
  readonly unclear?: Unclear;
};
export type RefundResult = RefundOutcome | RefundInconclusive;
/** What a provider's callbacks tell of a refund, and of what it needs. */
export type RefundNews = RefundResult | ReceiptEvent;

export function isRefundOutcome(result: RefundNews): result is RefundOutcome {
  return result.kind === 'succeeded' || result.kind === 'failed';
}

/** What a provider is asked for. */
export type RefundRequest = {
  /** Travels in the provider's metadata, so that its events find their way back. */
  readonly workflowId: string;
  /** `workflow/refund`, for providers that deduplicate by our id. */
  readonly idempotencyKey: string;
  readonly amount: Money;
  readonly providerPaymentId: string | null;
  readonly providerReceipt: string | null;
  readonly reason: string;
  /** Where results of this refund go, by the channel of the provider's refund webhooks. */
  readonly callbackUrls: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
};
export type RefundLookupRequest = {
  /** What the provider's metadata name the refund by. */
  readonly workflowId: string;
  readonly providerPaymentId: string | null;
  readonly providerRefundId: string | null;
  /** Where an answer that comes later goes, by channel. */
  readonly callbackUrls: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
};

/** What a refund's workflow is started with. No secret and no personal data. */
export type RefundInput = {
  readonly refundId: string;
  readonly paymentId: string;
  readonly merchantId: string;
  readonly workflowId: string;
  readonly provider: string;
  readonly credentialsRef: string;
  readonly amountMinor: number;
  readonly currency: Currency;
  readonly providerPaymentId: string | null;
  readonly providerReceipt: string | null;
  /** Set when the receipt is to be learned first, of a payment that took so much. */
  readonly receiptToLearn?: { readonly capturedMinor: number };
  readonly policy: ProviderPolicy;
  readonly can: ProviderAbilities & { readonly looks_up_refunds: 'sync' | 'async' | 'none' };
  /** Set for a run of a refund that had one before: such a run never sends the refund. */
  readonly standing?: RefundStanding;
  /** Absent: those of `domain/run-limits.ts`. */
  readonly limits?: RunLimits;
};

/** Where a refund stands when a run of its workflow is reopened, or goes on as a new run. */
export type RefundStanding = {
  readonly status: RefundStatus;
  readonly reviewReason: RefundReviewReason | null;
  readonly providerRefundId: string | null;
  /** Whether it may have reached the provider. */
  readonly isSent: boolean;
  /** See `Standing`. */
  readonly lostHistory: string | null;
  /** True where a run that had become long goes on as a new one: nothing was lost. */
  readonly isContinued?: true;
};

/** `provider`: it was made there, not by us: in the dashboard or by its support. */
export const REFUND_ORIGINS = ['malipo', 'provider'] as const;
export type RefundOrigin = (typeof REFUND_ORIGINS)[number];

/** A refund as its row stands. */
export type Refund = {
  readonly id: string;
  readonly paymentId: string;
  readonly merchantId: string;
  /** Who made it: we, for the merchant, or somebody at the provider. */
  readonly origin: RefundOrigin;
  /** Null for one that was made at the provider. */
  readonly idempotencyKey: string | null;
  readonly fingerprint: string | null;
  readonly workflowId: string;
  /** The newest of the payment's account when the refund was made; it keeps them. */
  readonly credentialsRef: string;
  readonly status: RefundStatus;
  readonly amountMinor: number;
  /** What of it goes beyond the money that was taken; it counts in none of the payment's sums. */
  readonly amountOverMinor: number;
  readonly currency: Currency;
  readonly reason: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly failureCode: RefundFailureCode | null;
  readonly failureMessage: string | null;
  readonly providerCode: string | null;
  readonly providerRefundId: string | null;
  readonly providerReceipt: string | null;
  readonly reviewReason: RefundReviewReason | null;
  readonly waitingFor: WaitingFor | null;
  readonly waitUntil: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly completedAt: string | null;
};

/** How much of a payment may still be given back: it is not refunded, not on its way, not lost. */
export function refundableMinor(payment: {
  readonly amountCapturedMinor: number;
  readonly amountRefundedMinor: number;
  readonly amountReservedMinor: number;
  readonly amountDisputedMinor: number;
}): number {
  const { amountCapturedMinor, amountRefundedMinor, amountReservedMinor } = payment;
  const left =
    amountCapturedMinor - amountRefundedMinor - amountReservedMinor - payment.amountDisputedMinor;
  if (left < 0) throw new RangeError('more is refunded than was captured');
  return left;
}

/** One entry of a refund's story on its payment's trail; `key` makes it unique for the payment. */
export type RefundRecordRequest = {
  readonly refundId: string;
  readonly paymentId: string;
  readonly key: string;
  readonly action: AuditAction;
  readonly actor: Actor;
  readonly cause: string;
  readonly event: RefundEvent | null;
  readonly outcome: RefundOutcome | null;
  readonly providerRefundId: string | null;
  /** The payment's receipt, learned for this refund. */
  readonly paymentReceipt?: string;
  readonly reviewReason: RefundReviewReason | null;
  readonly waitingFor: WaitingFor | null;
  readonly waitMs: number | null;
  /** As in `RecordRequest`: no entry, only the callback's fate and the provider's id. */
  readonly isWithoutAuditEntry?: boolean;
  readonly webhook: RecordRequest['webhook'];
  /** Of the refund's sends; as for payments. */
  readonly provenUnsent?: RecordRequest['provenUnsent'];
};
export type RefundRecordResult = {
  /** Where one was written down: the receipt that counts, which is the one known first. */
  readonly paymentReceipt?: string;
  /** The receipt was not learned: another payment has it. */
  readonly isReceiptTaken?: true;
  readonly status: RefundStatus;
  /** Why it is in review; absent where it is not. */
  readonly reviewReason?: RefundReviewReason;
  readonly changed: boolean;
  readonly refused: boolean;
  /** As for payments. */
  readonly mayBeAtProvider?: true;
};

/** Whether a text from outside, such as a row, is one of ours. */
export function isRefundFailureCode(text: string): text is RefundFailureCode {
  return Object.hasOwn(REFUND_FAILURES, text);
}
