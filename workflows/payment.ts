import { allHandlersFinished, condition } from '@temporalio/workflow';
import { failure } from '../domain/error.ts';
import type { PaymentInput } from '../domain/payment.ts';
import { isClosed, type PaymentStatus } from '../domain/payment-states.ts';
import { scheduleAt } from '../domain/policy.ts';
import { isOutcome } from '../domain/provider.ts';
import { type Book, openBook } from './book.ts';
import { type Desk, openDesk } from './desk.ts';
import { applyNews, settle, writeOffMessages } from './news.ts';
import { type ChargeFailure, charge, lookup } from './proxies.ts';

/**
 * One payment, from the hand-over to the provider until its outcome is known. Business failures
 * complete it; only a bug fails it. A result nobody confirmed ends in review, never in a guess.
 */
export async function payment(input: PaymentInput): Promise<{ readonly status: PaymentStatus }> {
  const book = openBook(input, 'created');
  const desk = openDesk(book);

  // 1. Hand the charge over to the provider.
  await handOver(input, book, desk);
  desk.isAnswerable = true;

  // 2. Wait for the callback, and ask by ourselves when it stays away.
  if (!isClosed(book.status())) await awaitCallback(input, book, desk);
  if (!isClosed(book.status())) await askProvider(input, book, desk);

  // 3. Nobody knows: a person's decision, a late callback or a late answer will tell.
  if (!isClosed(book.status())) await awaitReview(input, book, desk);

  // 4. Answer all who wait, and leave no message unread.
  await writeOffMessages(input, book, desk);
  await condition(allHandlersFinished);
  return { status: book.status() };
}

/** Sends the charge; again by policy, but only after a proof that the last send did nothing. */
async function handOver(input: PaymentInput, book: Book, desk: Desk): Promise<void> {
  const { max_sends, resend_after_ms } = input.policy.charge;
  for (let send = 1; !isClosed(book.status()); send += 1) {
    if (desk.isCancelWanted()) return await cancel(book);
    desk.isSending = true;
    const charged = await charge(input, send);
    desk.isSending = false;
    if (charged.kind === 'answered') return await takeAnswer(input, book, charged.result);
    const { failure } = charged;
    if (failure.kind === 'ambiguous') return await loseAnswer(input, book, failure);
    const isFinal = failure.kind === 'misconfigured' || send >= max_sends;
    if (isFinal) return await fail(book, failure);
    const policyMs = scheduleAt(resend_after_ms, send - 1);
    const waitMs = Math.max(policyMs, failure.retryAfterMs ?? 0);
    await book.write({
      key: `resend/${send}`,
      action: 'payment.resend_planned',
      cause: `nothing was sent: ${failure.message}`,
      waitingFor: 'resend',
      waitMs,
    });
    desk.isAnswerable = true;
    await desk.newsWithin(waitMs, 'pause before the next send');
  }
}

async function takeAnswer(
  input: PaymentInput,
  book: Book,
  result: Awaited<ReturnType<typeof lookup>> & object,
): Promise<void> {
  book.setOut(true);
  if (isOutcome(result)) {
    return await settle(input, book, {
      outcome: result,
      key: 'charge',
      cause: 'the provider’s answer',
      delivered: null,
    });
  }
  await book.write({
    key: 'accepted',
    action: 'payment.provider_accepted',
    actor: 'provider',
    cause: result.message,
    providerPaymentId: result.providerPaymentId,
    waitingFor: 'callback',
    waitMs: input.policy.callback_wait_ms,
  });
}

async function loseAnswer(input: PaymentInput, book: Book, lost: ChargeFailure): Promise<void> {
  book.setOut(true);
  await book.write({
    key: 'answer-lost',
    action: 'payment.answer_lost',
    cause: lost.message,
    waitingFor: 'callback',
    waitMs: input.policy.callback_wait_ms + input.policy.lookup.window_ms,
  });
}

async function fail(book: Book, refused: ChargeFailure): Promise<void> {
  const { failureCode, providerCode, message, dispatched } = refused;
  await book.write({
    key: 'refused',
    action: 'payment.settled',
    cause: message,
    event: dispatched ? 'declined' : 'gave_up',
    outcome: {
      kind: 'declined',
      providerPaymentId: null,
      receipt: null,
      money: null,
      failure: failure(failureCode, providerCode, message),
      providerCode,
    },
  });
}

async function cancel(book: Book): Promise<void> {
  await book.write({
    key: 'canceled',
    action: 'payment.canceled',
    actor: 'merchant',
    cause: 'canceled before anything was sent',
    event: 'canceled',
    outcome: {
      kind: 'canceled',
      providerPaymentId: null,
      receipt: null,
      money: null,
      failure: failure('canceled_by_merchant'),
      providerCode: null,
    },
  });
}

async function awaitCallback(input: PaymentInput, book: Book, desk: Desk): Promise<void> {
  const until = Date.now() + input.policy.callback_wait_ms;
  while (!isClosed(book.status()) && book.status() !== 'needs_review') {
    const leftMs = until - Date.now();
    if (!desk.hasNews() && leftMs <= 0) return;
    if (!(await desk.newsWithin(Math.max(leftMs, 1), 'wait for the callback'))) return;
    await applyNews(input, book, desk);
  }
}

/** Without the provider's own id there is nothing to ask by; then this waits for the callback. */
async function askProvider(input: PaymentInput, book: Book, desk: Desk): Promise<void> {
  const until = Date.now() + input.policy.lookup.window_ms;
  while (!isClosed(book.status()) && book.status() !== 'needs_review') {
    const leftMs = until - Date.now();
    if (leftMs <= 0) break;
    const id = book.providerPaymentId();
    if (id === null) {
      await desk.newsWithin(leftMs, 'wait for the callback; there is no id to ask by');
    } else {
      const answer = await desk.unlessNews(() => lookup(input, id, leftMs));
      if (answer === null) break;
      if (answer !== undefined) await takeLookup(input, book, answer, 'lookup');
    }
    await applyNews(input, book, desk);
  }
  if (isClosed(book.status()) || book.status() === 'needs_review') return;
  await book.write({
    key: 'gave-up',
    action: 'payment.review_needed',
    cause: 'neither callback nor status query told the outcome in time',
    event: 'gave_up',
    reviewReason: 'no_answer',
    waitingFor: 'review',
    waitMs: scheduleAt(input.policy.review.ask_every_ms, 0),
  });
}

async function takeLookup(
  input: PaymentInput,
  book: Book,
  answer: NonNullable<Awaited<ReturnType<typeof lookup>>>,
  key: string,
): Promise<void> {
  if (!isOutcome(answer)) return;
  const cause = 'the provider’s status query';
  await settle(input, book, { outcome: answer, key, cause, delivered: null });
}

async function awaitReview(input: PaymentInput, book: Book, desk: Desk): Promise<void> {
  const { ask_every_ms } = input.policy.review;
  for (let round = 0; !isClosed(book.status()); round += 1) {
    const waitMs = scheduleAt(ask_every_ms, round);
    if (await desk.newsWithin(waitMs, 'in review')) await applyNews(input, book, desk);
    else await askOnce(input, book, desk, round);
  }
}

async function askOnce(input: PaymentInput, book: Book, desk: Desk, round: number): Promise<void> {
  const id = book.providerPaymentId();
  if (id === null) return;
  const answer = await desk.unlessNews(() => lookup(input, id, input.policy.lookup.timeout_ms * 2));
  if (answer) await takeLookup(input, book, answer, `review/${round}`);
}
