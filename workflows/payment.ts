import { allHandlersFinished, condition } from '@temporalio/workflow';
import type { FailureCode } from '../domain/error.ts';
import { neverSent } from '../domain/outcome.ts';
import type { PaymentInput } from '../domain/payment.ts';
import { isClosed, type PaymentStatus } from '../domain/payment-states.ts';
import { scheduleAt } from '../domain/policy.ts';
import { type Asker, askAtPace, askWhileWanted, waitWhileWanted } from './asking.ts';
import { type Book, openBook } from './book.ts';
import { type Desk, openDesk } from './desk.ts';
import { handOver } from './hand-over.ts';
import { sendHoldToReview } from './holds.ts';
import { isAskedInReview } from './late-success.ts';
import { askedOf, canLookUp, lookup } from './lookup.ts';
import { applyNews, askerOf, writeOffMessages } from './news.ts';
import { holdWhilePaused } from './pause.ts';
import { renewIfLong } from './renew.ts';
import { settle } from './settlement.ts';
import { isUnknownResult, shortenWait } from './unclear.ts';
import { letGo } from './wishes.ts';

type Stage = (input: PaymentInput, book: Book, desk: Desk) => Promise<void>;

/** What an open payment's workflow does, by where the payment stands. */
const STAGES = {
  created: awaitOutcome,
  processing: awaitOutcome,
  requires_action: awaitPayer,
  authorized: awaitCapture,
  needs_review: awaitReview,
} as const satisfies Partial<Record<PaymentStatus, Stage>>;

/**
 * One payment, from the hand-over to the provider until its outcome is known. Business failures
 * complete it; only a bug fails it. A result nobody confirmed ends in review, never in a guess.
 */
export async function payment(input: PaymentInput): Promise<{ readonly status: PaymentStatus }> {
  const book = openBook(input, 'created');
  const desk = openDesk(input, book);

  do {
    // 1. Hand the charge over to the provider, and whatever its status asks for next.
    for (let status = book.status(); isOpen(status); status = book.status()) {
      await holdWhilePaused(input, book, desk);
      const stage = book.sendAfterMs() === null ? STAGES[status] : handOver;
      await stage({ ...input, ...book.route() }, book, desk);
      desk.isAnswerable = true;
    }

    // 2. Answer all who wait, and leave no message unread: one may take the payment up again.
    desk.isAnswerable = true;
    await writeOffMessages({ ...input, ...book.route() }, book, desk);
  } while (isOpen(book.status()));
  await condition(allHandlersFinished);
  return { status: book.status() };
}

function isOpen(status: PaymentStatus): status is keyof typeof STAGES {
  return !isClosed(status);
}

/** The provider has it, or may have it: wait for its callback, and ask when that stays away. */
async function awaitOutcome(input: PaymentInput, book: Book, desk: Desk): Promise<void> {
  await awaitCallback(input, book, desk);
  await askProvider(input, book, desk, Date.now() + input.policy.lookup.window_ms);
  if (!isAwaited(book)) return;
  // What this run may have sent is never told as unsent, whatever the row remembers.
  const isUnsent = book.status() === 'created' && !book.mayBeSent();
  await book.write({
    key: 'gave-up',
    action: isUnsent ? 'payment.settled' : 'payment.review_needed',
    cause: isUnsent ? UNSENT : book.unclear.causeOr(UNTOLD),
    event: 'gave_up',
    outcome: isUnsent ? neverSent(UNSENT) : null,
    reviewReason: 'no_answer',
    waitingFor: 'review',
    waitMs: scheduleAt(input.policy.review.ask_every_ms, 0),
  });
}

const UNSENT = 'Nobody handed it over to the provider in time.';
const UNTOLD = 'neither callback nor status query told the outcome in time';

/** True while the outcome is awaited: not in review, not to be sent again, not held for capture. */
function isAwaited(book: Book): boolean {
  const isUnsettled = ['created', 'processing', 'requires_action'].includes(book.status());
  return isUnsettled && book.sendAfterMs() === null;
}

async function awaitCallback(input: PaymentInput, book: Book, desk: Desk): Promise<void> {
  const until = Date.now() + input.policy.callback_wait_ms;
  while (isAwaited(book) && !book.unclear.isAskDue()) {
    await renewIfLong(input, book, desk);
    const leftMs = until - Date.now();
    if (!desk.hasNews() && leftMs <= 0) return;
    if (!(await desk.newsWithin(Math.max(leftMs, 1), 'wait for the callback'))) return;
    await applyNews(input, book, desk);
  }
}

/** Without an id that the provider knows there is nothing to ask by; then only news can tell. */
async function askProvider(
  input: PaymentInput,
  book: Book,
  desk: Desk,
  untilMs: number,
): Promise<void> {
  let until = untilMs;
  const deadline = () => {
    until = shortenWait(until, book.unclear, input.policy);
    return until;
  };
  const asker = askerOf(input, book, desk, () => {
    return isAwaited(book) && !desk.isPaused && canAsk(input, book);
  });
  const ask = (everyMs: readonly number[], windowMs: number) =>
    lookup(input, askedOf(book), windowMs, { everyMs });
  while (isAwaited(book)) {
    await renewIfLong(input, book, desk);
    if (desk.isPaused) {
      await holdWhilePaused(input, book, desk);
      // Whatever time the pause took, the provider is asked once more.
      until = Math.max(until, Date.now() + input.policy.lookup.timeout_ms * 2);
      continue;
    }
    const leftMs = deadline() - Date.now();
    if (leftMs <= 0) return;
    if (!canAsk(input, book)) {
      await desk.newsWithin(leftMs, 'wait for the callback; nothing to ask by, or asked already');
      await applyNews(input, book, desk);
      continue;
    }
    const { every_ms } = input.policy.lookup;
    const isAnswered = await askAtPace(asker, every_ms, deadline, ask, async (answer) => {
      await settle(input, book, answer, 'lookup');
      if (isUnknownResult(answer)) book.unclear.note(answer);
    });
    if (!isAnswered) return;
  }
}

/** There has to be an id to ask by; and a callback that is asked about is asked about once. */
function canAsk(input: PaymentInput, book: Book): boolean {
  return book.confirmation === null && canLookUp(input, askedOf(book));
}

/** The payer has to act elsewhere; when nothing came of it in time, the charge is let go. */
async function awaitPayer(input: PaymentInput, book: Book, desk: Desk): Promise<void> {
  const until = Date.now() + input.policy.payer_action.expires_after_ms;
  await awaitCallback(input, book, desk);
  await askProvider(input, book, desk, until);
  if (book.status() === 'requires_action') await expire(input, book, desk, 'prompt_expired');
}

/** The money is held: a capture, a cancel or the end of the authorization decides. */
async function awaitCapture(input: PaymentInput, book: Book, desk: Desk): Promise<void> {
  const until = Date.now() + input.policy.authorization.expires_after_ms;
  const asker = askerOf(input, book, desk, () => book.status() === 'authorized');
  while (book.status() === 'authorized') {
    await renewIfLong(input, book, desk);
    const leftMs = until - Date.now();
    if (leftMs <= 0) return await expire(input, book, desk, 'authorization_expired');
    if (!(await desk.newsWithin(leftMs, 'held for capture'))) continue;
    await applyNews(input, book, desk);
    if (asker.isWanted() && book.unclear.takeAsk() && !desk.isPaused && canAsk(input, book)) {
      await askOnce(input, book, asker, book.numbered('unclear'));
    }
  }
}

/** Lets a charge go whose time is over; where that cannot be told for sure, a person must look. */
async function expire(
  input: PaymentInput,
  book: Book,
  desk: Desk,
  code: FailureCode,
): Promise<void> {
  const held = book.status();
  await holdWhilePaused(input, book, desk);
  if (book.status() !== held) return;
  const doubt = await letGo(input, book, { code, actor: 'workflow', key: 'expired' });
  if (doubt === null) return;
  const cause = `its time is over, and letting it go was not confirmed: ${doubt}`;
  await sendHoldToReview(input, book, { key: 'expiry-unclear', cause });
}

/** Nobody knows: a person's decision, a late callback or a late answer will tell. */
async function awaitReview(input: PaymentInput, book: Book, desk: Desk): Promise<void> {
  const { ask_every_ms } = input.policy.review;
  const visit = book.numbered('review');
  const asker = askerOf(input, book, desk, () => book.status() === 'needs_review');
  // What the database forgot, the provider may know.
  const firstMs = book.reviewReason() === 'history_lost' ? 0 : scheduleAt(ask_every_ms, 0);
  for (let round = 0; asker.isWanted(); round += 1) {
    const waitMs = round === 0 ? firstMs : scheduleAt(ask_every_ms, round);
    if (waitMs > 0 && !(await waitWhileWanted(asker, waitMs, 'in review'))) return;
    if (desk.isPaused || !canAsk(input, book) || !isAskedInReview(book.reviewReason())) continue;
    await askOnce(input, book, asker, `${visit}/${round}`);
  }
}

async function askOnce(input: PaymentInput, book: Book, asker: Asker, key: string): Promise<void> {
  const windowMs = input.policy.lookup.timeout_ms * 2;
  const isLast = book.status() === 'needs_review';
  const ask = () => lookup(input, askedOf(book), windowMs, { isLast });
  const answer = await askWhileWanted(asker, ask);
  if (answer) await settle(input, book, answer, key);
}
