import { workflowInfo } from '@temporalio/workflow';
import type { Decision } from '../domain/decision.ts';
import { failure } from '../domain/error.ts';
import type { PaymentInput } from '../domain/payment.ts';
import { isClosed } from '../domain/payment-states.ts';
import { isOutcome } from '../domain/provider.ts';
import type { DeliveredEvent } from '../domain/webhook-event.ts';
import type { Book } from './book.ts';
import type { Desk } from './desk.ts';
import { keepEvent } from './proxies.ts';
import { sendToReview, settleVerdict } from './settlement.ts';
import { grantWish } from './wishes.ts';

/** Reads all that lies on the desk, in order of arrival. */
export async function applyNews(input: PaymentInput, book: Book, desk: Desk): Promise<void> {
  for (let event = desk.takeEvent(); event !== undefined; event = desk.takeEvent()) {
    await applyEvent(input, book, event);
  }
  const decision = desk.takeDecision();
  if (decision !== undefined && !isClosed(book.status())) await applyDecision(book, decision);
  for (let wish = desk.takeWish(); wish !== undefined; wish = desk.takeWish()) {
    await grantWish(input, book, wish);
  }
}

async function applyDecision(book: Book, decision: Decision): Promise<void> {
  const { receipt, by, reason } = decision;
  const isFailure = decision.decision !== 'succeeded';
  await book.write({
    key: `decided/${workflowInfo().runId}`,
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
  if (book.isOfEarlierAttempt(event.providerPaymentId)) {
    return await applyEarlierAttempt(input, book, delivered);
  }
  const known = book.providerPaymentId();
  if (known !== null && event.providerPaymentId !== null && event.providerPaymentId !== known) {
    return await park(book, key, delivered.eventId, 'it names another payment of the provider');
  }
  if (isOutcome(event)) {
    return await settleVerdict(input, book, { outcome: event, key, cause: 'callback', delivered });
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

/**
 * An attempt that failed before says something: a repetition is nothing new, but money from it may
 * be a second payment, so a person must look.
 */
async function applyEarlierAttempt(
  input: PaymentInput,
  book: Book,
  delivered: DeliveredEvent,
): Promise<void> {
  const { event, eventId } = delivered;
  const key = `event/${eventId}`;
  const isMoney = event.kind === 'succeeded' || event.kind === 'authorized';
  if (isMoney) {
    const verdict = { outcome: event, key, cause: 'callback', delivered };
    return await sendToReview(
      input,
      book,
      verdict,
      'an earlier attempt has money after all',
      false,
    );
  }
  await book.write({
    key,
    action: 'payment.callback_unclear',
    actor: 'provider',
    cause: `about an earlier attempt: ${event.kind}`,
    webhook: { eventId, status: 'applied', note: 'about an earlier attempt' },
  });
}
