import { allHandlersFinished, condition } from '@temporalio/workflow';
import { money } from '../domain/money.ts';
import type { PaymentInput } from '../domain/payment.ts';
import type { PaymentStatus } from '../domain/payment-states.ts';
import { isOutcome, mismatchOf, OUTCOME_EVENTS, type Outcome } from '../domain/provider.ts';
import type { DeliveredEvent } from '../domain/webhook-event.ts';
import { type Book, openBook } from './book.ts';
import { openDesk } from './desk.ts';
import { applyNews } from './news.ts';
import { keepEvent, lookup } from './proxies.ts';

/**
 * Takes callbacks of a payment whose own workflow has closed. The same table decides: a repetition
 * changes nothing, late money makes the payment visible for review, and the policy or a person
 * resolves that.
 */
export async function lateOutcome(
  input: PaymentInput,
): Promise<{ readonly status: PaymentStatus }> {
  const book = openBook(input, 'failed');
  const desk = openDesk(input, book);
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
  if (event.kind === 'authorized' && said.isLetGo) {
    // Webhooks come in any order: this one was on its way when the hold was let go.
    const note = `overtaken: ${said.text}`;
    await book.write({
      key,
      action: 'payment.callback_unclear',
      actor: 'provider',
      cause: `late callback: ${event.kind}; ${said.text}`,
      webhook: { eventId, status: 'applied', note },
    });
    return;
  }
  const written = await book.write({
    key,
    action: 'payment.late_outcome',
    actor: 'provider',
    cause: `late callback: ${event.kind}; ${said.text}`,
    event: OUTCOME_EVENTS[event.kind],
    outcome: event,
    reviewReason: 'late_success',
    waitingFor: 'review',
    webhook: { eventId, status: 'applied', note: null },
  });
  const isAccepted = input.policy.late_success === 'accept' && !said.contradicts;
  if (written.status !== 'needs_review' || !written.changed || !isAccepted) return;
  await book.write({
    key: `late-success/${eventId}`,
    action: 'payment.decided',
    cause: 'policy late_success: accept',
    event: OUTCOME_EVENTS[event.kind],
    outcome: event,
  });
}

function faultOf(input: PaymentInput, { event }: DeliveredEvent): string | null {
  if (!isOutcome(event)) return null;
  const wrong = mismatchOf(event, money(input.amountMinor, input.currency), input.captureMethod);
  return wrong === null ? null : `the ${wrong} does not match`;
}

const NOTHING = { contradicts: false, isLetGo: false } as const;
type Said = {
  readonly text: string;
  readonly contradicts: boolean;
  /** The provider itself says that it holds nothing and took nothing. */
  readonly isLetGo: boolean;
};

/** Late money is asked about before anything rests on it: callbacks may be forged. */
async function askAbout(input: PaymentInput, outcome: Outcome): Promise<Said> {
  const id = outcome.providerPaymentId;
  const isMoney = outcome.kind === 'succeeded' || outcome.kind === 'authorized';
  if (!isMoney || id === null) return { ...NOTHING, text: 'nothing to ask' };
  const asked = { attemptId: input.attemptId, providerPaymentId: id };
  const answer = await lookup(input, asked, input.policy.lookup.timeout_ms * 2);
  if (answer === null || !isOutcome(answer)) {
    return { ...NOTHING, text: 'the status query says nothing definite' };
  }
  const contradicts = answer.kind !== outcome.kind;
  const isLetGo = answer.kind === 'canceled' || answer.kind === 'declined';
  return { text: `the status query says ${answer.kind}`, contradicts, isLetGo };
}
