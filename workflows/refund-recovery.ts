import { allHandlersFinished, condition, workflowInfo } from '@temporalio/workflow';
import { scheduleAt } from '../domain/policy.ts';
import { isRefundOutcome, type RefundRecoveryInput } from '../domain/refund.ts';
import type { RefundStatus } from '../domain/refund-states.ts';
import { isAskedInReview } from './late-success.ts';
import { openRefundBook, type RefundBook } from './refund-book.ts';
import { openRefundDesk, type RefundDesk } from './refund-desk.ts';
import { applyRefundNews, settleRefund } from './refund-news.ts';
import { lookupRefund } from './refund-proxies.ts';
import { renewRefundIfLong } from './renew.ts';

type Case = {
  readonly input: RefundRecoveryInput;
  readonly book: RefundBook;
  readonly desk: RefundDesk;
  readonly keyOf: (step: string) => string;
};

/** As `recoverPayment`, for a refund: it is asked about, and never sent. */
export async function recoverRefund(
  input: RefundRecoveryInput,
): Promise<{ readonly status: RefundStatus }> {
  const book = openRefundBook(input, input.status, input.reviewReason, input.providerRefundId);
  const desk = openRefundDesk(input, book);
  let steps = 0;
  const keyOf = (step: string) => {
    steps += 1;
    return `recovered/${workflowInfo().runId}/${step}/${steps}`;
  };
  const taken = { input, book, desk, keyOf };
  desk.isAnswerable = true;
  if (input.isContinued !== true) {
    await book.write({
      key: keyOf('start'),
      action: 'refund.recovered',
      actor: 'sweeper',
      cause: 'its workflow had ended before it; it is asked about, and not sent again',
      providerRefundId: input.providerRefundId,
      waitingFor: input.status === 'needs_review' ? 'review' : 'lookup',
    });
  }
  if (book.status() === 'pending') await awaitResult(taken);
  do {
    if (book.status() === 'needs_review') await review(taken);
    await applyRefundNews(input, book, desk);
  } while (book.status() === 'needs_review');
  await condition(allHandlersFinished);
  return { status: book.status() };
}

async function awaitResult(taken: Case): Promise<void> {
  const { input, book, keyOf } = taken;
  const until = Date.now() + input.policy.refund.result_wait_ms;
  while (input.isSent && Date.now() < until) {
    await ask(taken, until - Date.now());
    if (book.status() !== 'pending') return;
  }
  await book.write({
    key: keyOf('gave-up'),
    action: 'refund.review_needed',
    actor: 'sweeper',
    cause: input.isSent
      ? 'the provider did not tell what became of it'
      : 'its workflow was ended before it was handed over',
    event: 'gave_up',
    reviewReason: 'no_answer',
    waitingFor: 'review',
    waitMs: scheduleAt(input.policy.review.ask_every_ms, 0),
  });
}

/** Late money, and money beyond what was taken, wait for a person. */
async function review(taken: Case): Promise<void> {
  const { input, book, desk } = taken;
  const wasAsked = input.reviewReason === null || input.reviewReason === 'no_answer';
  for (let round = 0; book.status() === 'needs_review'; round += 1) {
    const isDue = round > 0 || input.isContinued !== true;
    const isAsked = isDue && wasAsked && isAskedInReview(book.reviewReason());
    if (isAsked) await ask(taken, input.policy.lookup.timeout_ms * 2);
    else await applyRefundNews(input, book, desk);
    if (book.status() !== 'needs_review') return;
    await renewRefundIfLong(input, book, desk);
    await desk.newsWithin(scheduleAt(input.policy.review.ask_every_ms, round), 'in review');
  }
}

/** Asks once, unless news come first, and applies what there is. */
async function ask({ input, book, desk, keyOf }: Case, windowMs: number): Promise<void> {
  if (desk.hasNews()) return await applyRefundNews(input, book, desk);
  if (input.can.looks_up_refunds === 'none') {
    await desk.newsWithin(windowMs, 'there is nobody to ask');
  } else {
    const answer = await desk.unlessNews(() => lookupRefund(input, book, windowMs));
    if (answer && isRefundOutcome(answer)) {
      const key = keyOf('lookup');
      const cause = 'the provider’s status query';
      await settleRefund(input, book, { outcome: answer, key, cause, eventId: null });
    }
  }
  await applyRefundNews(input, book, desk);
}
