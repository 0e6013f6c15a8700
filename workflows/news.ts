import { failure } from '../domain/error.ts';
import { money } from '../domain/money.ts';
import type { PaymentInput } from '../domain/payment.ts';
import { isClosed } from '../domain/payment-states.ts';
import { scheduleAt } from '../domain/policy.ts';
import { isOutcome, mismatchOf, OUTCOME_EVENTS, type Outcome } from '../domain/provider.ts';
import type { DeliveredEvent } from '../domain/webhook-event.ts';
import type { Book } from './book.ts';
import type { Desk } from './desk.ts';
import { keepEvent, lookup } from './proxies.ts';

export type Verdict = {
  readonly outcome: Outcome;
  /** Makes the entry unique in the payment's trail. */
  readonly key: string;
  readonly cause: string;
  readonly delivered: DeliveredEvent | null;
};

/** Reads all that lies on the desk, in order of arrival. */
export async function applyNews(input: PaymentInput, book: Book, desk: Desk): Promise<void> {
  for (let event = desk.takeEvent(); event !== undefined; event = desk.takeEvent()) {
    await applyEvent(input, book, event);
  }
  const decision = desk.takeDecision();
  if (decision === undefined || isClosed(book.status())) return;
  const { receipt, by, reason } = decision;
  const isFailure = decision.decision !== 'succeeded';
  await book.write({
    key: 'decided',
    action: 'payment.decided',
    actor: 'operator',
    cause: `${by}: ${reason}`,
    event: decision.decision === 'failed' ? 'declined' : decision.decision,
    outcome: {
      kind: decision.decision === 'failed' ? 'declined' : decision.decision,
      providerPaymentId: null,
      receipt,
      money: null,
      failure: isFailure ? failure('declined', null, 'An operator decided so.') : null,
      providerCode: null,
    },
  });
}

/** What came too late to matter is still written down against the payment's table. */
export async function writeOffMessages(input: PaymentInput, book: Book, desk: Desk): Promise<void> {
  for (let event = desk.takeEvent(); event !== undefined; event = desk.takeEvent()) {
    await applyEvent(input, book, event);
  }
}

/** A callback: believed when it speaks of this payment's money and id, else kept for a person. */
async function applyEvent(
  input: PaymentInput,
  book: Book,
  delivered: DeliveredEvent,
): Promise<void> {
  const { event } = delivered;
  if (delivered.unstored !== null) await keepEvent(delivered.unstored);
  const key = `event/${delivered.eventId}`;
  const known = book.providerPaymentId();
  if (known !== null && event.providerPaymentId !== null && event.providerPaymentId !== known) {
    return await park(book, key, delivered.eventId, 'it names another payment of the provider');
  }
  if (isOutcome(event)) {
    return await settle(input, book, { outcome: event, key, cause: 'callback', delivered });
  }
  await book.write({
    key,
    action: 'payment.callback_unclear',
    actor: 'provider',
    cause: event.message,
    providerPaymentId: event.providerPaymentId,
    waitingFor: book.status() === 'needs_review' ? 'review' : 'lookup',
    webhook: { eventId: delivered.eventId, status: 'applied', note: event.message },
  });
}

async function park(book: Book, key: string, eventId: string, note: string): Promise<void> {
  await book.write({
    key,
    action: 'payment.callback_refused',
    actor: 'provider',
    cause: note,
    waitingFor: book.status() === 'needs_review' ? 'review' : 'callback',
    webhook: { eventId, status: 'parked', note },
  });
}

/** Applies an outcome to the payment, unless its money does not match: then a person must look. */
export async function settle(input: PaymentInput, book: Book, verdict: Verdict): Promise<void> {
  const { outcome, key, cause, delivered } = verdict;
  const wrong = mismatchOf(outcome, money(input.amountMinor, input.currency));
  const isMoney = outcome.kind === 'succeeded' || outcome.kind === 'authorized';
  const doubt = isMoney && wrong !== null ? `the ${wrong} does not match` : null;
  const contradiction =
    doubt === null && delivered !== null ? await contradictionOf(input, book, outcome) : null;
  if (doubt !== null || contradiction !== null) {
    const note = doubt ?? contradiction ?? '';
    return await sendToReview(input, book, verdict, note, doubt !== null);
  }
  await book.write({
    key,
    action: 'payment.settled',
    actor: 'provider',
    cause,
    event: OUTCOME_EVENTS[outcome.kind],
    outcome,
    webhook:
      delivered === null ? null : { eventId: delivered.eventId, status: 'applied', note: null },
  });
}

async function sendToReview(
  input: PaymentInput,
  book: Book,
  { key, delivered, outcome }: Verdict,
  note: string,
  isMismatch: boolean,
): Promise<void> {
  await book.write({
    key,
    action: isClosed(book.status()) ? 'payment.callback_refused' : 'payment.review_needed',
    actor: 'provider',
    cause: note,
    event: isClosed(book.status()) ? null : 'gave_up',
    providerPaymentId: outcome.providerPaymentId,
    reviewReason: isMismatch ? 'amount_mismatch' : 'contradiction',
    waitingFor: 'review',
    waitMs: scheduleAt(input.policy.review.ask_every_ms, 0),
    webhook: delivered === null ? null : { eventId: delivered.eventId, status: 'parked', note },
  });
}

/**
 * Where the policy asks for it, a callback's success is held against the provider's status query.
 * A query that says nothing definite does not reject the callback.
 */
async function contradictionOf(
  input: PaymentInput,
  book: Book,
  outcome: Outcome,
): Promise<string | null> {
  const from = input.policy.confirm_callback_from_minor;
  const id = book.providerPaymentId() ?? outcome.providerPaymentId;
  const isAsked = outcome.kind === 'succeeded' && from !== null && input.amountMinor >= from;
  if (!isAsked || id === null || isClosed(book.status())) return null;
  const answer = await lookup(input, id, input.policy.lookup.timeout_ms * 2);
  if (answer === null || !isOutcome(answer) || answer.kind === outcome.kind) return null;
  return `callback says ${outcome.kind}, status query says ${answer.kind}`;
}
