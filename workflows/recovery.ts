import { allHandlersFinished, condition, workflowInfo } from '@temporalio/workflow';
import type { FailureCode } from '../domain/error.ts';
import { type LookupResult, neverSent } from '../domain/outcome.ts';
import type { RecoveryInput } from '../domain/payment.ts';
import { isClosed, type PaymentStatus } from '../domain/payment-states.ts';
import { scheduleAt, withoutReattempts } from '../domain/policy.ts';
import { isLateMoney } from '../domain/review.ts';
import { type Asker, askAtPace, askWhileWanted, waitWhileWanted } from './asking.ts';
import { type Book, openBook } from './book.ts';
import { type Desk, openDesk } from './desk.ts';
import { isAskedInReview } from './late-success.ts';
import { askedOf, canLookUp, lookup } from './lookup.ts';
import { applyNews, askerOf, writeOffMessages } from './news.ts';
import { holdWhilePaused } from './pause.ts';
import { settle } from './settlement.ts';
import { deadlineOf, isUnknownResult } from './unclear.ts';
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
  created: judgeUnsent,
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
      cause: causeOf(input),
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

/** Why something is recovered, for its trail. */
export function causeOf({ lostHistory }: { readonly lostHistory?: string }): string {
  const why = lostHistory ?? 'its workflow had ended before it';
  const more = lostHistory === undefined ? '' : ': the database lost what was written';
  return `${why}${more}; it is asked about, and not sent again`;
}

/** What a row that is older than its workflow says proves nothing. */
async function judgeUnsent(taken: Case): Promise<void> {
  const { lostHistory } = taken.input;
  if (lostHistory === undefined) await writeOff(taken);
  else await giveUp(taken, `${lostHistory}: it may have been sent`);
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
    mayBeAtProvider: false,
    reviewReason: 'history_lost',
    waitingFor: 'review',
  });
}

async function askForOutcome(taken: Case): Promise<void> {
  const { input, book, desk } = taken;
  const { window_ms, every_ms } = input.policy.lookup;
  const untilMs = deadlineOf(window_ms, book.unclear, input.policy);
  const isOpen = () => book.status() === 'processing';
  const asker = askerOf(input, book, desk, () => isOpen() && canAsk(taken));
  const ask = (everyMs: readonly number[], leftMs: number) =>
    lookup(input, askedOf(book), leftMs, { everyMs });
  await applyNews(input, book, desk);
  while (isOpen() && Date.now() < untilMs()) {
    if (!canAsk(taken)) {
      const listener = askerOf(input, book, desk, () => isOpen() && !canAsk(taken));
      const restMs = untilMs() - Date.now();
      await waitWhileWanted(listener, restMs, 'nothing to ask by, or asked already');
    } else if (!(await askAtPace(asker, every_ms, untilMs, ask, (it) => takeAnswer(taken, it))))
      break;
  }
  const cause = book.unclear.causeOr('the provider could not tell what became of it');
  if (isOpen()) await giveUp(taken, cause);
}

/** The payer has to act elsewhere, or the money is held for a capture: until its time is over. */
async function hold(taken: Case): Promise<void> {
  const { input, book, desk } = taken;
  const { payer_action, authorization, review } = input.policy;
  const status = book.status();
  const isAuthorized = status === 'authorized';
  const freshMs = (isAuthorized ? authorization : payer_action).expires_after_ms;
  const leftMs = status === input.standing?.status ? input.leftMs : null;
  const until = Date.now() + (leftMs ?? freshMs);
  const asker = askerOf(input, book, desk, () => book.status() === status);
  for (let round = 0; ; round += 1) {
    if (isAskedIn(taken, round)) await askOnce(taken, asker);
    if (!asker.isWanted()) return;
    const restMs = until - Date.now();
    if (restMs <= 0) break;
    await waitWhileWanted(asker, Math.min(restMs, scheduleAt(review.ask_every_ms, round)), 'held');
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
  const wasAsked = !isLateMoney(input.reviewReason);
  const asker = askerOf(input, book, desk, () => book.status() === 'needs_review');
  for (let round = 0; asker.isWanted(); round += 1) {
    const isAsked = isAskedIn(taken, round) && wasAsked && isAskedInReview(book.reviewReason());
    if (isAsked) await askOnce(taken, asker);
    await waitWhileWanted(asker, scheduleAt(input.policy.review.ask_every_ms, round), 'in review');
  }
}

/** There has to be an id to ask by; and a callback that is asked about is asked about once. */
function canAsk({ input, book, desk }: Case): boolean {
  return canLookUp(input, askedOf(book)) && !desk.isPaused && book.confirmation === null;
}

/** Messages that are there already come first: they may tell more than an answer. */
async function askOnce(taken: Case, asker: Asker): Promise<void> {
  const { input, book } = taken;
  if (asker.inbox.hasNews()) await asker.handleMessages();
  if (!asker.isWanted() || !canAsk(taken)) return;
  const windowMs = input.policy.lookup.timeout_ms * 2;
  const isLast = book.status() === 'needs_review';
  const ask = () => lookup(input, askedOf(book), windowMs, { isLast });
  const answer = await askWhileWanted(asker, ask);
  if (answer) await takeAnswer(taken, answer);
}

async function takeAnswer({ input, book, keyOf }: Case, answer: LookupResult): Promise<void> {
  if (answer.kind !== book.status()) await settle(input, book, answer, keyOf('lookup'));
  if (isUnknownResult(answer)) book.unclear.note(answer);
}
