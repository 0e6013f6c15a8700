import { allHandlersFinished, condition, proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { mismatchOf } from '../domain/capture.ts';
import { money } from '../domain/money.ts';
import { isOutcome, OUTCOME_EVENTS, type Outcome } from '../domain/outcome.ts';
import type { PaymentInput } from '../domain/payment.ts';
import type { PaymentStatus } from '../domain/payment-states.ts';
import type { ProviderPolicy } from '../domain/policy.ts';
import type { DeliveredEvent } from '../domain/webhook-event.ts';
import { applyAside } from './aside.ts';
import { type Book, openBook } from './book.ts';
import { openDesk } from './desk.ts';
import { askAbout, isOvertaken, type Said } from './late-hold.ts';
import { applyNews } from './news.ts';
import { keepEvent } from './proxies.ts';

/**
 * Takes callbacks of a payment whose own workflow has closed. The same table decides: a repetition
 * changes nothing, late money makes the payment visible for review, and the policy or a person
 * resolves that.
 */
export async function lateOutcome(
  input: PaymentInput,
): Promise<{ readonly status: PaymentStatus }> {
  const status = input.standing?.status ?? 'failed';
  const book = openBook(input, status, status === 'needs_review' ? 'late_success' : null);
  const desk = openDesk(input, book);
  book.setOut(true);
  desk.isAnswerable = true;
  do {
    await condition(desk.hasNews);
    for (let event = desk.takeEvent(); event !== undefined; event = desk.takeEvent()) {
      await applyLate(input, book, event);
    }
    await applyNews(input, book, desk);
  } while (book.status() === 'needs_review' || desk.hasNews());
  await condition(allHandlersFinished);
  return { status: book.status() };
}

async function applyLate(
  input: PaymentInput,
  book: Book,
  delivered: DeliveredEvent,
): Promise<void> {
  const { event, eventId } = delivered;
  if (delivered.unstored !== null) await keepEvent(delivered.unstored);
  const key = `event/${eventId}`;
  const owner = book.ownerOf(event.providerPaymentId);
  if (owner !== 'current') return await applyAside(input, book, delivered, owner);
  const fault = faultOf(input, delivered);
  if (fault !== null || !isOutcome(event)) {
    const note = fault ?? 'late and not definite';
    await book.write({
      key,
      action: 'payment.callback_refused',
      actor: 'provider',
      cause: note,
      webhook: { eventId, status: 'parked', note },
    });
    return;
  }
  const said = await askAbout(input, event);
  const cause = `late callback: ${event.kind}; ${said.text}`;
  const note = noteOn(book.status(), event, said);
  if (note !== null) {
    const webhook = { eventId, status: 'applied', note } as const;
    const action = 'payment.callback_unclear';
    await book.write({ key, action, actor: 'provider', cause, webhook });
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
    webhook: { eventId, status: 'applied', note: null },
  });
  if (written.status !== 'needs_review' || !written.changed || event.kind !== 'succeeded') return;
  const choice = input.policy.late_success;
  if (!MAY_END[choice](input, event, said)) return;
  await book.write({
    key: `late-success/${eventId}`,
    action: 'payment.decided',
    cause: `policy late_success: ${choice}`,
    event: 'succeeded',
    outcome: event,
  });
  if (choice === 'refund') await giveBack(input);
}

/** Why this says nothing that counts; null when it does. */
function noteOn(status: PaymentStatus, event: Outcome, said: Said): string | null {
  if (isOvertaken(event, said)) return `overtaken: ${said.text}`;
  // The review asks what to do with late money: that it came is known, and a word that tells of
  // none does not take it away.
  return status === 'needs_review' ? 'in review already' : null;
}

/** Whether the policy may end the review of late money; a hold always waits for a person. */
const MAY_END = {
  review: () => false,
  accept: (_input, _event, { contradicts }) => !contradicts,
  // Money goes out: the provider must have said that it came in, and be able to give it back.
  refund: ({ can }, event, { confirms }) => {
    const needs = can?.refund_needs;
    if (needs === undefined || !confirms) return false;
    return (needs === 'provider_receipt' ? event.receipt : event.providerPaymentId) !== null;
  },
} as const satisfies Record<
  ProviderPolicy['late_success'],
  (input: PaymentInput, event: Outcome, said: Said) => boolean
>;

/** Gives back what came late, by a refund like any other. */
async function giveBack({ paymentId, merchantId }: PaymentInput): Promise<void> {
  const activities = proxyActivities<Pick<Activities, 'refundLateSuccess'>>({
    startToCloseTimeout: '10s',
    retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '15s' },
    summary: 'give back what came late',
  });
  await activities.refundLateSuccess({ paymentId, merchantId });
}

function faultOf(input: PaymentInput, { event }: DeliveredEvent): string | null {
  if (!isOutcome(event)) return null;
  const wrong = mismatchOf(event, money(input.amountMinor, input.currency), input.captureMethod);
  return wrong === null ? null : `the ${wrong} does not match`;
}
