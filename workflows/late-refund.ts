import { allHandlersFinished, condition } from '@temporalio/workflow';
import type { LateRefundInput, RefundInput } from '../domain/refund.ts';
import type { RefundStatus } from '../domain/refund-states.ts';
import { isHeldLate } from './late-success.ts';
import { lookBackAtRefund, openLookBacks } from './look-back.ts';
import { openRefundBook } from './refund-book.ts';
import { openRefundDesk } from './refund-desk.ts';
import { applyRefundNews } from './refund-news.ts';
import { renewRefundIfLong } from './renew.ts';

/**
 * Takes what a provider says about a refund that has no workflow of its own: above all, after its
 * end, that a success was taken back. The same table decides; a success after a failure needs a
 * person.
 */
export async function lateRefund(
  input: LateRefundInput,
): Promise<{ readonly status: RefundStatus }> {
  const refund: RefundInput = input;
  const isInReview = input.status === 'needs_review';
  const reason = isInReview ? (input.reviewReason ?? 'late_success') : null;
  const book = openRefundBook(refund, input.status, reason, input.providerRefundId);
  const desk = openRefundDesk(refund, book);
  const lookBacks = openLookBacks();
  desk.isAnswerable = true;
  const isAsked = () => desk.hasNews() || lookBacks.isAsked();
  do {
    await renewRefundIfLong(refund, book, desk);
    await condition(isAsked);
    await applyRefundNews(refund, book, desk);
    for (let nth = lookBacks.take(); nth !== undefined; nth = lookBacks.take()) {
      await lookBackAtRefund(input, book, nth);
    }
  } while (isAsked() || (book.status() === 'needs_review' && isHeldLate(book.reviewReason())));
  await condition(allHandlersFinished);
  return { status: book.status() };
}
