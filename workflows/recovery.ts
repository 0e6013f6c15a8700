import { allHandlersFinished, condition, workflowInfo } from '@temporalio/workflow';
import type { FailureCode } from '../domain/error.ts';
import { neverSent } from '../domain/outcome.ts';
import type { RecoveryInput } from '../domain/payment.ts';
import { isClosed, type PaymentStatus } from '../domain/payment-states.ts';
import { scheduleAt, withoutReattempts } from '../domain/policy.ts';
import { type Book, openBook } from './book.ts';
import { type Desk, openDesk } from './desk.ts';
import { isAskedInReview } from './late-success.ts';
import { applyNews, writeOffMessages } from './news.ts';
import { holdWhilePaused } from './pause.ts';
import { lookup } from './proxies.ts';
import { renewIfLong } from './renew.ts';
import { settle } from './settlement.ts';
import { letGo } from './wishes.ts';

type Case = {
  readonly input: RecoveryInput;
  readonly book: Book;
  readonly desk: Desk;
  /** Makes the entries of this run unique in the payment's trail. */
  readonly keyOf: (step: string) => string;
};

/** What an open payment needs to come to rest, by where it stands. None of it sends anything. */
const STAGES = {
  created: writeOff,
  processing: askForOutcome,
  requires_action: hold,
  authorized: hold,
  needs_review: review,
} as const satisfies Partial<Record<PaymentStatus, (taken: Case) => Promise<void>>>;

/**
 * Takes up a payment whose own workflow ended before it did: terminated by hand, or lost. It takes
 * callbacks, wishes and decisions, and asks the provider. It never sends a charge: nobody can tell
 * here why the other workflow ended, and what it may have sent.
 */
export async function recoverPayment(
  given: RecoveryInput,
): Promise<{ readonly status: PaymentStatus }> {
  const input = { ...given, policy: withoutReattempts(given.policy) };
  let steps = 0;
  const keyOf = (step: string) => {
    steps += 1;
    return `recovered/${workflowInfo().runId}/${step}/${steps}`;
  };
  // The workflow before numbered its keys from one as well.
  const status = input.standing?.status ?? 'created';
  const opened = openBook(input, status, given.reviewReason);
  const { ordinals } = given.continued ?? opened;
  const book = { ...opened, numbered: keyOf, ordinals: { ...ordinals } };
  // First of all: an update that comes with the start is judged as the desk opens.
  book.setOut(true);
  const desk = openDesk(input, book);
  const taken = { input, book, desk, keyOf };
  desk.isAnswerable = true;
  if (given.continued === undefined) {
    await book.write({
      key: keyOf('start'),
      action: 'payment.recovered',
      actor: 'sweeper',
      cause: 'its workflow had ended before it; it is asked about, and not sent again',
    });
  }
  do {
    for (let status = book.status(); isOpen(status); status = book.status()) {
      await holdWhilePaused(input, book, desk);
      if (book.status() !== status) continue;
      await STAGES[status](taken);
    }
    await writeOffMessages(input, book, desk);
  } while (isOpen(book.status()));
  await condition(allHandlersFinished);
  return { status: book.status() };
}

function isOpen(status: PaymentStatus): status is keyof typeof STAGES {
  return !isClosed(status);
}

/** Nothing was sent; should that have changed this moment, the table sends it to review. */
async function writeOff({ book, keyOf }: Case): Promise<void> {
  const message = 'Its workflow was ended before anything was sent.';
  await book.write({
    key: keyOf('unsent'),
    action: 'payment.settled',
    actor: 'sweeper',
    cause: message,
    event: 'gave_up',
    outcome: neverSent(message),
    reviewReason: 'history_lost',
    waitingFor: 'review',
  });
}

async function askForOutcome(taken: Case): Promise<void> {
  const { input, book } = taken;
  const until = Date.now() + input.policy.lookup.window_ms;
  do {
    await ask(taken, Math.max(until - Date.now(), 1));
    if (book.status() !== 'processing') return;
  } while (Date.now() < until);
  await giveUp(taken, 'the provider could not tell what became of it');
}

/** The payer has to act elsewhere, or the money is held for a capture: until its time is over. */
async function hold(taken: Case): Promise<void> {
  const { input, book, desk } = taken;
  const { payer_action, authorization, review, lookup: limits } = input.policy;
  const status = book.status();
  const isAuthorized = status === 'authorized';
  const freshMs = (isAuthorized ? authorization : payer_action).expires_after_ms;
  const leftMs = status === input.standing?.status ? input.leftMs : null;
  const until = Date.now() + (leftMs ?? freshMs);
  for (let round = 0; ; round += 1) {
    if (isAskedIn(taken, round)) await ask(taken, limits.timeout_ms * 2);
    if (book.status() !== status) return;
    await renewIfLong(input, book, desk);
    const restMs = until - Date.now();
    if (restMs <= 0) break;
    await desk.newsWithin(Math.min(restMs, scheduleAt(review.ask_every_ms, round)), 'held');
  }
  await expire(taken, isAuthorized ? 'authorization_expired' : 'prompt_expired');
}

/** What is recovered is asked about at once; what only goes on in a new run keeps its pace. */
function isAskedIn({ input }: Case, round: number): boolean {
  return round > 0 || input.continued === undefined;
}

async function expire(taken: Case, code: FailureCode): Promise<void> {
  const { input, book, desk, keyOf } = taken;
  const held = book.status();
  await holdWhilePaused(input, book, desk);
  if (book.status() !== held) return;
  const doubt = await letGo(input, book, { code, actor: 'sweeper', key: keyOf('expired') });
  if (doubt === null) return;
  await giveUp(taken, `its time is over, and letting it go was not confirmed: ${doubt}`);
}

async function giveUp({ input, book, keyOf }: Case, cause: string): Promise<void> {
  await book.write({
    key: keyOf('gave-up'),
    action: 'payment.review_needed',
    actor: 'sweeper',
    cause,
    event: 'gave_up',
    reviewReason: 'history_lost',
    waitingFor: 'review',
    waitMs: scheduleAt(input.policy.review.ask_every_ms, 0),
  });
}

/** Late money waits for a person: it is known what the provider says of it. */
async function review(taken: Case): Promise<void> {
  const { input, book, desk } = taken;
  const wasAsked = input.reviewReason !== 'late_success';
  for (let round = 0; book.status() === 'needs_review'; round += 1) {
    const isAsked = isAskedIn(taken, round) && wasAsked && isAskedInReview(book.reviewReason());
    if (isAsked) await ask(taken, input.policy.lookup.timeout_ms * 2);
    else await applyNews(input, book, desk);
    if (book.status() !== 'needs_review') return;
    await renewIfLong(input, book, desk);
    await desk.newsWithin(scheduleAt(input.policy.review.ask_every_ms, round), 'in review');
  }
}

/** Asks once, unless news come first, and applies what there is. */
async function ask({ input, book, desk, keyOf }: Case, windowMs: number): Promise<void> {
  if (desk.hasNews()) return await applyNews(input, book, desk);
  const asked = { attemptId: book.attemptId(), providerPaymentId: book.providerPaymentId() };
  const hasId = asked.providerPaymentId !== null || input.can?.looks_up_by_our_id === true;
  const canAsk = hasId && !desk.isPaused;
  if (canAsk) {
    const answer = await desk.unlessNews(() => lookup(input, asked, windowMs));
    const isNew = answer !== undefined && answer !== null && answer.kind !== book.status();
    if (isNew) await settle(input, book, answer, keyOf('lookup'));
  } else {
    await desk.newsWithin(windowMs, 'there is no id to ask by');
  }
  await applyNews(input, book, desk);
}
