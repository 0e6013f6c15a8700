import { allHandlersFinished, condition, patched } from '@temporalio/workflow';
import { mismatchOf } from '../domain/capture.ts';
import { money } from '../domain/money.ts';
import { isMoney, isOutcome, OUTCOME_EVENTS, type Outcome } from '../domain/outcome.ts';
import type { PaymentInput } from '../domain/payment.ts';
import { isClosed, isUnpaid, type PaymentStatus } from '../domain/payment-states.ts';
import { type ProviderPolicy, withoutReattempts } from '../domain/policy.ts';
import { isLateMoney } from '../domain/review.ts';
import type { DeliveredEvent } from '../domain/webhook-event.ts';
import { applyAside } from './aside.ts';
import { type Book, openBook } from './book.ts';
import { openDesk } from './desk.ts';
import { askAbout, isOvertaken, NOT_ASKED, type Said } from './late-hold.ts';
import { reviewLateMismatch } from './late-mismatch.ts';
import { isHeldLate, resolveLateSuccess } from './late-success.ts';
import { lookBackAtPayment, openLookBacks } from './look-back.ts';
import { askedOf, canLookUp, lookup } from './lookup.ts';
import { applyEvent, applyNews } from './news.ts';
import { keepEvent } from './proxies.ts';
import { renewLateIfLong } from './renew.ts';

/**
 * Takes callbacks of a payment that has no workflow of its own. Mostly it has ended: the same table
 * decides, a repetition changes nothing, late money makes the payment visible for review, and the
 * policy or a person resolves that. Where its workflow was lost before the end, a callback counts
 * as it would have there.
 */
export async function lateOutcome(
  input: PaymentInput,
): Promise<{ readonly status: PaymentStatus }> {
  const { status = 'failed', reviewReason } = input.standing ?? {};
  const reason = status === 'needs_review' ? (reviewReason ?? 'late_success') : null;
  const book = openBook(input, status, reason);
  const lookBacks = openLookBacks();
  book.setOut(true);
  const desk = openDesk(input, book);
  desk.isAnswerable = true;
  do {
    await renewLateIfLong(input, book, desk);
    await condition(() => desk.hasNews() || lookBacks.isAsked());
    for (let event = desk.takeEvent(); event !== undefined; event = desk.takeEvent()) {
      await applyLate(input, book, event);
    }
    await applyNews(input, book, desk);
    for (let nth = lookBacks.take(); nth !== undefined; nth = lookBacks.take()) {
      await lookBackAtPayment(input, book, nth);
    }
  } while (desk.hasNews() || lookBacks.isAsked() || isHeld(book));
  await condition(allHandlersFinished);
  return { status: book.status() };
}

/** A review of late money is held for a person, and a callback until it is confirmed. */
function isHeld(book: Book): boolean {
  if (book.confirmation !== null && !isClosed(book.status())) return true;
  return book.status() === 'needs_review' && isHeldLate(book.reviewReason());
}

async function applyLate(
  input: PaymentInput,
  book: Book,
  delivered: DeliveredEvent,
): Promise<void> {
  const isOver = isClosed(book.status()) || isLateMoney(book.reviewReason());
  if (!isOver && patched('late-but-open')) {
    return await applyEvent({ ...input, policy: policyWhileLost(input) }, book, delivered);
  }
  const { event, eventId } = delivered;
  if (delivered.unstored !== null) await keepEvent(delivered.unstored);
  const key = `event/${eventId}`;
  const owner = book.ownerOf(event.providerPaymentId);
  if (owner !== 'current') return await applyAside(input, book, delivered, owner);
  const fault = faultOf(input, delivered);
  if (fault !== null && isOutcome(event)) {
    const late = { outcome: event, key, mismatch: fault, eventId };
    if (await reviewLateMismatch(input, book, late)) return;
  }
  if (fault !== null || !isOutcome(event)) {
    const note = fault ?? lateNote(event);
    await book.write({
      key,
      action: 'payment.callback_refused',
      actor: 'provider',
      cause: note,
      webhook: { eventId, status: 'parked', note },
    });
    const money = await askForMoney(input, book, event);
    if (money === null) return;
    return await applyLateOutcome(input, book, money, { key: `${key}/asked`, eventId: null });
  }
  await applyLateOutcome(input, book, event, { key, eventId });
}

/**
 * What says nothing clear about a payment that took nothing may have told of its money, and will
 * not come again: the provider is asked. Null where there is none.
 */
async function askForMoney(
  input: PaymentInput,
  book: Book,
  event: DeliveredEvent['event'],
): Promise<Outcome | null> {
  if (!isUnpaid(book.status()) || isOutcome(event) || event.unclear === undefined) return null;
  if (!book.unclear.note(event)) return null;
  const asked = askedOf(book, event.providerPaymentId);
  if (!canLookUp(input, asked)) return null;
  const answer = await lookup(input, asked, input.policy.lookup.timeout_ms * 2);
  return answer !== null && isOutcome(answer) && isMoney(answer) ? answer : null;
}

function lateNote(event: DeliveredEvent['event']): string {
  const late = 'late and not definite';
  return isOutcome(event) || event.unclear === undefined ? late : `${late}: ${event.message}`;
}

/** Nobody here would send another attempt, and a review raised here is the sweeper's, at once. */
function policyWhileLost({ policy }: PaymentInput): ProviderPolicy {
  return { ...withoutReattempts(policy), review: { ask_every_ms: [0] } };
}

async function applyLateOutcome(
  input: PaymentInput,
  book: Book,
  event: Outcome,
  from: { readonly key: string; readonly eventId: string | null },
): Promise<void> {
  const { key, eventId } = from;
  const webhookOf = (note: string | null) =>
    eventId === null ? null : ({ eventId, status: 'applied', note } as const);
  // In review it is known what the provider says, and another question would change nothing.
  const isKnown = book.status() === 'needs_review' && patched('late-money-asked-once');
  const said = isKnown ? NOT_ASKED : await askAbout(input, book, event);
  const cause = `late callback: ${event.kind}; ${said.text}`;
  const note = noteOn(book.status(), event, said);
  if (note !== null) {
    const action = 'payment.callback_unclear';
    const webhook = webhookOf(note);
    const isSilent = isKnown && book.noted.has(cause);
    book.noted.add(cause);
    await book.write({ key, action, actor: 'provider', cause, isSilent, webhook });
    return;
  }
  const written = await book.write({
    key,
    action: 'payment.late_outcome',
    actor: 'provider',
    cause,
    event: OUTCOME_EVENTS[event.kind],
    outcome: event,
    reviewReason: 'late_success',
    waitingFor: 'review',
    webhook: webhookOf(null),
  });
  if (written.status !== 'needs_review' || !written.changed) return;
  await resolveLateSuccess(input, book, { outcome: event, said, key: eventId ?? key });
}

/** Why this says nothing that counts; null when it does. */
function noteOn(status: PaymentStatus, event: Outcome, said: Said): string | null {
  if (isOvertaken(event, said)) return `overtaken: ${said.text}`;
  // The review asks what to do with late money: that it came is known, and a word that tells of
  // none does not take it away.
  return status === 'needs_review' ? 'in review already' : null;
}

function faultOf(input: PaymentInput, { event }: DeliveredEvent): string | null {
  if (!isOutcome(event)) return null;
  const wrong = mismatchOf(event, money(input.amountMinor, input.currency), input.captureMethod);
  return wrong === null ? null : `the ${wrong} does not match`;
}
