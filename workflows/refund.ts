import { allHandlersFinished, condition } from '@temporalio/workflow';
import { scheduleAt } from '../domain/policy.ts';
import {
  isRefundOutcome,
  type RefundInput,
  type RefundResult,
  refundFailure,
} from '../domain/refund.ts';
import { isRefundClosed, type RefundStatus } from '../domain/refund-states.ts';
import { askAtPace, askWhileWanted, waitUntil, waitWhileWanted } from './asking.ts';
import { isAskedInReview } from './late-success.ts';
import type { SendFailure } from './proxies.ts';
import { learnReceipt } from './receipt.ts';
import { failRefund, openRefundBook, type RefundBook } from './refund-book.ts';
import { openRefundDesk, type RefundDesk } from './refund-desk.ts';
import { applyRefundNews, refundAskerOf, settleRefund } from './refund-news.ts';
import { lookupRefund, sendRefund } from './refund-proxies.ts';
import { deadlineOf } from './unclear.ts';

/**
 * One refund, from its hand-over to the provider until it is known what became of it. Its money is
 * reserved on the payment before this starts, and an answer that was lost is asked about, never
 * sent again to a provider that could take it for a second refund.
 */
export async function refund(input: RefundInput): Promise<{ readonly status: RefundStatus }> {
  const book = openRefundBook(input, 'pending');
  const desk = openRefundDesk(input, book);

  // 1. Learn what the provider needs for it, where the payment lacks that.
  const { receiptToLearn } = input;
  const order = receiptToLearn ? await learnReceipt(input, receiptToLearn, book, desk) : input;

  // 2. Ask the provider to give the money back.
  if (order !== null) await handOver(order, book, desk);
  desk.isAnswerable = true;

  // 3. Wait for its result, and ask when that stays away.
  if (book.status() === 'pending') await awaitResult(input, book, desk);

  do {
    // 4. Nobody knows: a late result, a late answer or a person's decision will tell.
    if (!isRefundClosed(book.status())) await awaitReview(input, book, desk);

    // 5. Leave no message unread: one may ask a person anew.
    await applyRefundNews(input, book, desk);
  } while (!isRefundClosed(book.status()));
  await condition(allHandlersFinished);
  return { status: book.status() };
}

/** Sends the refund; again by policy, but only after a proof that the last send did nothing. */
async function handOver(input: RefundInput, book: RefundBook, desk: RefundDesk): Promise<void> {
  const { max_sends, resend_after_ms } = input.policy.refund;
  let sent = 0;
  for (let tried = 1; book.status() === 'pending'; tried += 1) {
    const answered = await sendRefund(input, sent + 1);
    if (answered.kind === 'answered') return await takeAnswer(input, book, answered.result);
    const { failure } = answered;
    if (failure.kind === 'ambiguous') return await loseAnswer(input, book, failure);
    // A send that was not claimed is still to be made: its number is not used up.
    if (failure.dispatched) sent += 1;
    const isOver = failure.isExpired === true || failure.stop === 'too_late';
    const isLast = tried >= max_sends || isOver;
    // With our own storage away nobody can tell whether an earlier run got through.
    if (isLast && failure.kind === 'not_dispatched') return await loseAnswer(input, book, failure);
    if (failure.kind === 'misconfigured' || isLast) return await fail(input, book, failure, sent);
    const waitMs = Math.max(scheduleAt(resend_after_ms, tried - 1), failure.retryAfterMs ?? 0);
    await book.write({
      key: `resend/${tried}`,
      action: 'refund.resend_planned',
      cause: `nothing was sent: ${failure.message}`,
      waitingFor: 'resend',
      waitMs,
    });
    desk.isAnswerable = true;
    await pause(input, book, desk, waitMs);
  }
}

/** Waits the whole pause, and takes what comes in the meantime. */
async function pause(
  input: RefundInput,
  book: RefundBook,
  desk: RefundDesk,
  waitMs: number,
): Promise<void> {
  const until = Date.now() + waitMs;
  for (let leftMs = waitMs; leftMs > 0; leftMs = until - Date.now()) {
    if (!(await desk.newsWithin(leftMs, 'pause before the next send'))) return;
    await applyRefundNews(input, book, desk);
    if (book.status() !== 'pending') return;
  }
}

async function takeAnswer(
  input: RefundInput,
  book: RefundBook,
  result: RefundResult,
): Promise<void> {
  if (isRefundOutcome(result)) {
    const cause = 'the provider’s answer';
    return await settleRefund(input, book, {
      outcome: result,
      key: 'answer',
      cause,
      eventId: null,
    });
  }
  await book.write({
    key: 'accepted',
    action: 'refund.provider_accepted',
    actor: 'provider',
    cause: result.message,
    providerRefundId: result.providerRefundId,
    waitingFor: 'callback',
    waitMs: input.policy.refund.result_wait_ms,
  });
}

async function loseAnswer(input: RefundInput, book: RefundBook, lost: SendFailure): Promise<void> {
  await book.write({
    key: 'answer-lost',
    action: 'refund.answer_lost',
    cause: lost.message,
    waitingFor: 'callback',
    waitMs: input.policy.refund.result_wait_ms,
  });
}

/** Where the row counts a send that this run does not know of, that one may be at the provider. */
async function fail(
  input: RefundInput,
  book: RefundBook,
  refused: SendFailure,
  provenUnsent: number,
): Promise<void> {
  const { kind, providerCode, message } = refused;
  const code = kind === 'misconfigured' ? 'misconfigured' : 'provider_unavailable';
  const failure = refundFailure(code, providerCode, message);
  const failed = { key: 'refused', cause: message, failure, webhook: null, provenUnsent };
  if ((await failRefund(book, failed)).mayBeAtProvider !== true) return;
  const claimed = `${message}; another run of this send was claimed`;
  await loseAnswer(input, book, { ...refused, message: claimed });
}

async function awaitResult(input: RefundInput, book: RefundBook, desk: RefundDesk): Promise<void> {
  const { result_wait_ms, lookup_every_ms } = input.policy.refund;
  const untilMs = deadlineOf(result_wait_ms, book.unclear, input.policy);
  const firstMs = Math.min(scheduleAt(lookup_every_ms, 0), result_wait_ms);
  const asker = refundAskerOf(input, book, desk, () => book.status() === 'pending');
  const ask = (everyMs: readonly number[], windowMs: number) =>
    lookupRefund(input, book, windowMs, { everyMs });
  if (await waitWhileWanted(asker, firstMs, 'wait for the result')) {
    if (!canAsk(input)) await waitUntil(asker, untilMs, 'wait for the result');
    else {
      await askAtPace(asker, lookup_every_ms, untilMs, ask, (answer) =>
        takeLookup(input, book, answer, 'lookup'),
      );
    }
  }
  if (!asker.isWanted()) return;
  await book.write({
    key: 'gave-up',
    action: 'refund.review_needed',
    cause: book.unclear.causeOr('the provider did not tell in time what became of it'),
    event: 'gave_up',
    reviewReason: 'no_answer',
    waitingFor: 'review',
    waitMs: scheduleAt(input.policy.review.ask_every_ms, 0),
  });
}

async function takeLookup(
  input: RefundInput,
  book: RefundBook,
  answer: RefundResult,
  key: string,
): Promise<void> {
  if (!isRefundOutcome(answer)) return;
  const cause = 'the provider’s status query';
  await settleRefund(input, book, { outcome: answer, key, cause, eventId: null });
}

async function awaitReview(input: RefundInput, book: RefundBook, desk: RefundDesk): Promise<void> {
  const { ask_every_ms } = input.policy.review;
  const visit = book.numbered('review');
  const windowMs = input.policy.lookup.timeout_ms * 2;
  const asker = refundAskerOf(input, book, desk, () => !isRefundClosed(book.status()));
  for (let round = 0; asker.isWanted(); round += 1) {
    if (!(await waitWhileWanted(asker, scheduleAt(ask_every_ms, round), 'in review'))) return;
    if (!canAsk(input) || !isAskedInReview(book.reviewReason())) continue;
    const ask = () => lookupRefund(input, book, windowMs, { isLast: true });
    const answer = await askWhileWanted(asker, ask);
    if (answer) await takeLookup(input, book, answer, `${visit}/${round}`);
  }
}

function canAsk({ can }: RefundInput): boolean {
  return can.looks_up_refunds !== 'none';
}
