import { allHandlersFinished, condition, workflowInfo } from '@temporalio/workflow';
import { scheduleAt } from '../domain/policy.ts';
import { isRefundOutcome, type RefundRecoveryInput, type RefundResult } from '../domain/refund.ts';
import type { RefundStatus } from '../domain/refund-states.ts';
import { askAtPace, askWhileWanted, waitUntil, waitWhileWanted } from './asking.ts';
import { isAskedInReview } from './late-success.ts';
import { causeOf } from './recovery.ts';
import { openRefundBook, type RefundBook } from './refund-book.ts';
import { openRefundDesk, type RefundDesk } from './refund-desk.ts';
import { applyRefundNews, refundAskerOf, settleRefund } from './refund-news.ts';
import { lookupRefund } from './refund-proxies.ts';
import { deadlineOf } from './unclear.ts';

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
      cause: causeOf(input),
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
  const { input, book, desk, keyOf } = taken;
  const { result_wait_ms, lookup_every_ms } = input.policy.refund;
  const untilMs = deadlineOf(result_wait_ms, book.unclear, input.policy);
  const asker = refundAskerOf(input, book, desk, () => book.status() === 'pending');
  const ask = (everyMs: readonly number[], windowMs: number) =>
    lookupRefund(input, book, windowMs, { everyMs });
  await asker.handleMessages();
  if (input.isSent && canAsk(taken)) {
    await askAtPace(asker, lookup_every_ms, untilMs, ask, (it) => takeAnswer(taken, it));
  } else if (input.isSent) {
    await waitUntil(asker, untilMs, 'there is nobody to ask');
  }
  if (!asker.isWanted()) return;
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
  const windowMs = input.policy.lookup.timeout_ms * 2;
  const asker = refundAskerOf(input, book, desk, () => book.status() === 'needs_review');
  for (let round = 0; asker.isWanted(); round += 1) {
    if (asker.inbox.hasNews()) await asker.handleMessages();
    const isDue = round > 0 || input.isContinued !== true;
    const isAsked = isDue && wasAsked && canAsk(taken) && isAskedInReview(book.reviewReason());
    if (isAsked && asker.isWanted()) {
      const ask = () => lookupRefund(input, book, windowMs, { isLast: true });
      const answer = await askWhileWanted(asker, ask);
      if (answer) await takeAnswer(taken, answer);
    }
    await waitWhileWanted(asker, scheduleAt(input.policy.review.ask_every_ms, round), 'in review');
  }
}

function canAsk({ input }: Case): boolean {
  return input.can.looks_up_refunds !== 'none';
}

async function takeAnswer({ input, book, keyOf }: Case, answer: RefundResult): Promise<void> {
  if (!isRefundOutcome(answer)) return;
  const key = keyOf('lookup');
  const cause = 'the provider’s status query';
  await settleRefund(input, book, { outcome: answer, key, cause, eventId: null });
}
