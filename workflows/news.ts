import { patched, workflowInfo } from '@temporalio/workflow';
import type { Decision } from '../domain/decision.ts';
import { failure } from '../domain/error.ts';
import { isMoney, isOutcome, type Outcome } from '../domain/outcome.ts';
import type { PaymentInput } from '../domain/payment.ts';
import { isClosed } from '../domain/payment-states.ts';
import { type DeliveredEvent, isUnreadable } from '../domain/webhook-event.ts';
import { applyAside } from './aside.ts';
import type { Asker } from './asking.ts';
import type { Book } from './book.ts';
import { applyControl } from './controls.ts';
import type { Desk } from './desk.ts';
import { askAbout, isOvertaken } from './late-hold.ts';
import { keepEvent } from './proxies.ts';
import { renewIfLong } from './renew.ts';
import { settleVerdict } from './settlement.ts';
import { grantWish } from './wishes.ts';

/** Who asks about a payment reads the desk meanwhile, and goes on in a new run where needed. */
export function askerOf(
  input: PaymentInput,
  book: Book,
  desk: Desk,
  isWanted: Asker['isWanted'],
): Asker {
  const renew = () => renewIfLong(input, book, desk);
  const handleMessages = () => applyNews(input, book, desk);
  return { inbox: desk, unclear: book.unclear, handleMessages, renew, isWanted };
}

/** Reads all that lies on the desk, in order of arrival. */
export async function applyNews(input: PaymentInput, book: Book, desk: Desk): Promise<void> {
  await book.confirmation?.apply?.();
  for (let event = desk.takeEvent(); event !== undefined; event = desk.takeEvent()) {
    await applyEvent(input, book, event);
  }
  const decision = desk.takeDecision();
  if (decision !== undefined && !isClosed(book.status())) {
    await applyDecision(input, book, decision);
  }
  for (let wish = desk.takeWish(); wish !== undefined; wish = desk.takeWish()) {
    await grantWish(input, book, wish);
  }
  for (let it = desk.takeControl(); it !== undefined; it = desk.takeControl()) {
    await applyControl(input, book, desk, it);
  }
}

async function applyDecision(input: PaymentInput, book: Book, decision: Decision): Promise<void> {
  const { receipt, by, reason, amountMinor = null } = decision;
  const isFailure = decision.decision !== 'succeeded';
  await book.write({
    // A payment may come to review again in the same run.
    key: book.numbered(`decided/${workflowInfo().runId}`),
    action: 'payment.decided',
    actor: 'operator',
    cause: `${by}: ${reason}`,
    event: decision.decision === 'failed' ? 'declined' : decision.decision,
    outcome: {
      kind: decision.decision === 'failed' ? 'declined' : decision.decision,
      providerPaymentId: null,
      receipt,
      money: amountMinor === null ? null : { amountMinor, currency: input.currency },
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

/** A callback: believed when it speaks of this payment's money and id. */
export async function applyEvent(
  input: PaymentInput,
  book: Book,
  delivered: DeliveredEvent,
): Promise<void> {
  const { event, eventId } = delivered;
  if (delivered.unstored !== null) await keepEvent(delivered.unstored);
  const key = `event/${eventId}`;
  const owner = book.ownerOf(event.providerPaymentId);
  if (owner !== 'current') return await applyAside(input, book, delivered, owner);
  if (isOutcome(event)) {
    if (await isWrittenOff(input, book, event, eventId)) return;
    if (isUnpriced(event) && !isClosed(book.status()) && patched('ask-when-unpriced')) {
      return await noteUnclear(book, delivered, `${event.kind}, and it names no amount`);
    }
    return await settleVerdict(input, book, { outcome: event, key, cause: 'callback', delivered });
  }
  await noteUnclear(book, delivered, event.message);
}

/** A callback is believed with the amount that it names: without one the provider is asked. */
function isUnpriced(event: Outcome): boolean {
  return isMoney(event) && event.money === null;
}

async function noteUnclear(
  book: Book,
  { event, eventId }: DeliveredEvent,
  note: string,
): Promise<void> {
  const isAwaited = book.status() === 'created' || book.status() === 'processing';
  const isRepeated = book.noted.has(note);
  book.noted.add(note);
  const isCounted = isOutcome(event) || book.unclear.note(event);
  const isParked = isUnreadable(event);
  await book.write({
    key: `event/${eventId}`,
    action: 'payment.callback_unclear',
    actor: 'provider',
    cause: note,
    providerPaymentId: event.providerPaymentId,
    waitingFor: isAwaited ? 'lookup' : null,
    isSilent: event.kind === 'pending' || isRepeated || (isParked && !isCounted),
    webhook: { eventId, status: isParked ? 'parked' : 'applied', note },
  });
}

/** True for a hold that was let go before its own event was read: that one says nothing new. */
async function isWrittenOff(
  input: PaymentInput,
  book: Book,
  event: Outcome,
  eventId: string,
): Promise<boolean> {
  const isLate = book.status() === 'canceled' || book.status() === 'failed';
  if (!isLate || event.kind !== 'authorized' || !patched('ask-about-late-hold')) return false;
  const said = await askAbout(input, book, event);
  if (!isOvertaken(event, said)) return false;
  await book.write({
    key: `event/${eventId}`,
    action: 'payment.callback_unclear',
    actor: 'provider',
    cause: `late callback: ${event.kind}; ${said.text}`,
    webhook: { eventId, status: 'applied', note: `overtaken: ${said.text}` },
  });
  return true;
}
