import { isMoney, type Outcome } from './outcome.ts';
import type { ReviewReason } from './payment.ts';
import type { PaymentStatus } from './payment-states.ts';
import type { RefundOutcome, RefundReviewReason } from './refund.ts';
import type { RefundStatus } from './refund-states.ts';

/** What a person needs to know of a review: why it was raised, and what to do before deciding. */
export type ReviewGuide = { readonly why: string; readonly look: string };

export const REVIEWS = {
  no_answer: {
    why: 'The provider did not tell the outcome, and its answers to our questions did not either.',
    look: 'Look for the payment in the provider’s portal by its amount, reference and time. Decide succeeded if the money is there, failed if it is not. A late callback may still end this review.',
  },
  amount_mismatch: {
    why: 'The provider told of another amount or currency than the payer was asked for.',
    look: 'See in the provider’s portal how much was taken. Decide succeeded with that amount, or failed if nothing was taken.',
  },
  contradiction: {
    why: 'The provider told two things about the payment that cannot both be true.',
    look: 'Compare the timeline with the provider’s portal, and decide what the portal shows.',
  },
  late_success: {
    why: 'The payment had ended without money; after that the provider said that it took or holds the money.',
    look: 'Look for the receipt in the provider’s portal. Decide succeeded to keep the money; or give it back in the portal, then decide failed.',
  },
  late_amount_mismatch: {
    why: 'The payment had ended without money; after that the provider told of money, of another amount than the payer was asked for.',
    look: 'See in the provider’s portal how much was taken. Decide succeeded with that amount to keep it; or give it back in the portal, then decide failed.',
  },
  history_lost: {
    why: 'A part of the payment’s history was lost, so it may have been sent although our records do not show it.',
    look: 'Compare with the provider’s statement of that time, then decide. Do not charge the payer again before that.',
  },
} as const satisfies Record<ReviewReason, ReviewGuide>;

export const REFUND_REVIEWS = {
  no_answer: {
    why: 'The provider did not tell the outcome, and its answers to our questions did not either.',
    look: 'Look for the refund in the provider’s portal. Decide succeeded if the money went back, failed if it did not. A late callback may still end this review.',
  },
  amount_mismatch: {
    why: 'The provider told of another amount than was to be given back.',
    look: 'See in the provider’s portal how much went back. Decide succeeded if it was all of this refund; else correct it in the portal first.',
  },
  late_success: {
    why: 'The refund had failed; after that the provider said that the money went back.',
    look: 'Look for the refund in the provider’s portal. Decide succeeded if the money went back, failed if it did not.',
  },
  over_refunded: {
    why: 'The refund had failed and other refunds used its money; after that the provider said that its money went back too.',
    look: 'The payer may have got more back than was paid: amount_over says how much. See the provider’s portal, decide what it shows, and ask the payer for the difference.',
  },
} as const satisfies Record<RefundReviewReason, ReviewGuide>;

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
