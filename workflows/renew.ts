import { makeContinueAsNewFunc } from '@temporalio/workflow';
import type { PaymentInput, RecoveryInput, Standing } from '../domain/payment.ts';
import type { PaymentStatus } from '../domain/payment-states.ts';
import type { RefundInput, RefundRecoveryInput } from '../domain/refund.ts';
import type { Book } from './book.ts';
import type { Desk } from './desk.ts';
import type { RefundBook } from './refund-book.ts';
import type { RefundDesk } from './refund-desk.ts';
import { mayRenew } from './run-count.ts';

type Run<I> = (input: I) => Promise<unknown>;

/** Where a payment may wait for days, and sends no charge any more. */
const MAY_WAIT_LONG = {
  created: false,
  processing: false,
  requires_action: true,
  authorized: true,
  needs_review: true,
  succeeded: false,
  failed: false,
  canceled: false,
} as const satisfies Record<PaymentStatus, boolean>;

/**
 * Goes on with a payment in a new run, before this one nears Temporal's limits of events, updates
 * and signals: as a payment is recovered, with all that this run knows. To be called where a wait
 * begins; returns when there is no need for it, or no chance.
 */
export async function renewIfLong(input: PaymentInput, book: Book, desk: Desk): Promise<void> {
  if (!MAY_WAIT_LONG[book.status()] || book.confirmation !== null) return;
  if (!(await mayRenew(desk.count, desk.hasNews))) return;
  const goOn = makeContinueAsNewFunc<Run<RecoveryInput>>({ workflowType: 'recoverPayment' });
  await goOn({
    ...input,
    ...book.route(),
    attemptId: book.attemptId(),
    attemptOrdinal: book.attemptOrdinal(),
    standing: standingOf(book),
    reviewReason: book.reviewReason(),
    leftMs: book.waitLeftMs(),
    isPaused: desk.isPaused,
    continued: { ordinals: { ...book.ordinals } },
  });
}

function standingOf(book: Book): Standing {
  return {
    status: book.status(),
    reviewReason: book.reviewReason(),
    providerPaymentId: book.providerPaymentId(),
    earlierProviderIds: book.earlierProviderIds(),
  };
}

/** As `renewIfLong`, for the run that holds late money. */
export async function renewLateIfLong(input: PaymentInput, book: Book, desk: Desk): Promise<void> {
  if (book.status() !== 'needs_review' || !(await mayRenew(desk.count, desk.hasNews))) return;
  const goOn = makeContinueAsNewFunc<Run<PaymentInput>>({ workflowType: 'lateOutcome' });
  await goOn({ ...input, standing: standingOf(book) });
}

/** As `renewIfLong`, for a refund in review; those that hold late news go on as a recovery too. */
export async function renewRefundIfLong(
  input: RefundInput,
  book: RefundBook,
  desk: RefundDesk,
): Promise<void> {
  if (book.status() !== 'needs_review' || !(await mayRenew(desk.count, desk.hasNews))) return;
  const goOn = makeContinueAsNewFunc<Run<RefundRecoveryInput>>({ workflowType: 'recoverRefund' });
  await goOn({
    ...input,
    status: book.status(),
    reviewReason: book.reviewReason(),
    providerRefundId: book.providerRefundId(),
    isSent: true,
    isContinued: true,
  });
}
