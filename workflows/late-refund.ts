import { allHandlersFinished, condition } from '@temporalio/workflow';
import type { LateRefundInput, RefundInput } from '../domain/refund.ts';
import type { RefundStatus } from '../domain/refund-states.ts';
import { openRefundBook } from './refund-book.ts';
import { openRefundDesk } from './refund-desk.ts';
import { applyRefundNews } from './refund-news.ts';

/**
 * Takes what a provider says about a refund whose own workflow has closed: above all that a success
 * was taken back. The same table decides; a success after a failure needs a person.
 */
export async function lateRefund(
  input: LateRefundInput,
): Promise<{ readonly status: RefundStatus }> {
  const refund: RefundInput = input;
  const reason = input.status === 'needs_review' ? 'late_success' : null;
  const book = openRefundBook(refund, input.status, reason);
  const desk = openRefundDesk(book);
  desk.isAnswerable = true;
  do {
    await condition(desk.hasNews);
    await applyRefundNews(refund, book, desk);
  } while (book.status() === 'needs_review' || desk.hasNews());
  await condition(allHandlersFinished);
  return { status: book.status() };
}
