import { patched, proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { PaymentInput, ReviewReason } from '../domain/payment.ts';
import type { ProviderPolicy } from '../domain/policy.ts';
import type { RefundReviewReason } from '../domain/refund.ts';
import { isLateMoney } from '../domain/review.ts';
import type { Book } from './book.ts';
import type { Said } from './late-hold.ts';

export type LateSuccess = {
  readonly outcome: Outcome;
  readonly said: Said;
  /** Of the entry that sent it to review. */
  readonly key: string;
};

/** Ends the review that late money has just raised, as far as the policy says how. */
export async function resolveLateSuccess(
  input: PaymentInput,
  book: Book,
  { outcome, said, key }: LateSuccess,
): Promise<void> {
  const choice = input.policy.late_success;
  if (outcome.kind !== 'succeeded' || !MAY_END[choice](input, outcome, said)) return;
  await book.write({
    key: `late-success/${key}`,
    action: 'payment.decided',
    cause: `policy late_success: ${choice}`,
    event: 'succeeded',
    outcome,
  });
  if (choice === 'refund') await giveBack(input, book.paymentId());
}

/** Whether the policy may end the review of late money; a hold always waits for a person. */
const MAY_END = {
  review: () => false,
  // Who names no amount is not believed by itself: the provider has to confirm that.
  accept: (_input, { money }, { confirms, contradicts }) =>
    !contradicts && (money !== null || confirms),
  // Money goes out: the provider must have said that it came in, and be able to give it back.
  refund: ({ can }, event, { confirms }) => {
    const needs = can?.refund_needs;
    if (needs === undefined || !confirms) return false;
    return (needs === 'provider_receipt' ? event.receipt : event.providerPaymentId) !== null;
  },
} as const satisfies Record<
  ProviderPolicy['late_success'],
  (input: PaymentInput, event: Outcome, said: Said) => boolean
>;

/** Gives back what came late, by a refund like any other. */
async function giveBack({ merchantId }: PaymentInput, paymentId: string): Promise<void> {
  const activities = proxyActivities<Pick<Activities, 'refundLateSuccess'>>({
    startToCloseTimeout: '10s',
    retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '15s' },
    summary: 'give back what came late',
  });
  await activities.refundLateSuccess({ paymentId, merchantId });
}

/** Whether the provider is asked again during a review: not where no answer of its may end it. */
export function isAskedInReview(reason: ReviewReason | RefundReviewReason | null): boolean {
  return !isLateMoney(reason) || !patched('late-money-not-asked');
}

/**
 * Whether a workflow that takes late news goes on with a review: late money waits there for a
 * person, and any other is recovered by the sweeper, so that the provider is asked.
 */
export function isHeldLate(reason: ReviewReason | RefundReviewReason | null): boolean {
  return isLateMoney(reason) || !patched('leave-other-reviews');
}
