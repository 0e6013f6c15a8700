import { isMoney, type Outcome } from './outcome.ts';
import type { ReviewReason } from './payment.ts';
import type { PaymentStatus } from './payment-states.ts';
import type { RefundOutcome, RefundReviewReason } from './refund.ts';
import type { RefundStatus } from './refund-states.ts';

/**
 * Which word of the provider ends a review without a person, by why it was raised. Money that was
 * told of once is not let go by a later word that tells of none: one of the two is wrong.
 */
const ENDED_BY = {
  no_answer: () => true,
  history_lost: () => true,
  // An amount that was wrong is made good only by one that is told, and right.
  amount_mismatch: (outcome) => isMoney(outcome) && outcome.money !== null,
  contradiction: isMoney,
  // What to do with late money is no question to the provider.
  late_success: () => false,
  late_amount_mismatch: () => false,
} as const satisfies Record<ReviewReason, (outcome: Outcome) => boolean>;

/** Why something is in review after a step that told a reason or none; null when it is not. */
export function reasonAfter<R extends string>(
  status: PaymentStatus | RefundStatus,
  told: R | null,
  known: R | null,
): R | null {
  return status === 'needs_review' ? (told ?? known) : null;
}

/** True for a review of what to do with late money: no word of the provider's ends it. */
export function isLateMoney(reason: ReviewReason | RefundReviewReason | null): boolean {
  return (
    reason === 'late_success' || reason === 'late_amount_mismatch' || reason === 'over_refunded'
  );
}

/** Whether a provider's word may end a review; else it is noted, and a person decides. */
export function mayEndReview(reason: ReviewReason | null, outcome: Outcome): boolean {
  return reason === null || ENDED_BY[reason](outcome);
}

/** The same for refunds. */
const REFUND_ENDED_BY = {
  no_answer: () => true,
  amount_mismatch: ({ kind, amountMinor }) => kind === 'succeeded' && amountMinor !== null,
  late_success: () => false,
  over_refunded: () => false,
} as const satisfies Record<RefundReviewReason, (outcome: RefundOutcome) => boolean>;

/** As `mayEndReview`, for a refund. */
export function mayEndRefundReview(
  reason: RefundReviewReason | null,
  outcome: RefundOutcome,
): boolean {
  return reason === null || REFUND_ENDED_BY[reason](outcome);
}
