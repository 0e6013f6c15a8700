import { ApplicationFailure } from '@temporalio/workflow';
import { type Decision, faultOfDecision, type RefundDecision } from '../domain/decision.ts';
import { formatMoney } from '../domain/money.ts';
import type { PaymentInput } from '../domain/payment.ts';
import { isClosed } from '../domain/payment-states.ts';
import { isLateMoney } from '../domain/review.ts';
import type { Book } from './book.ts';
import type { Desk } from './desk.ts';
import type { RefundBook } from './refund-book.ts';

/** Why an update cannot be taken, as its failure; `type` is what the API answers by. */
export function refusal(book: Book, type: string, why: string | null): ApplicationFailure {
  const isOver = isClosed(book.status());
  const message = why ?? `it is ${book.status()}${isOver ? ' already' : ''}`;
  return ApplicationFailure.nonRetryable(message, isOver ? 'payment_closed' : type);
}

/** Whom the update comes to while an operator holds the payment: neither is done then. */
function refusePaused({ isPaused, pausedFor }: Pick<Desk, 'isPaused' | 'pausedFor'>): void {
  if (!isPaused) return;
  const why = `an operator paused it${pausedFor === null ? '' : `: ${pausedFor}`}`;
  throw ApplicationFailure.nonRetryable(why, 'paused');
}

/** @param isSent whether the provider has the charge, may have it, or is just being asked. */
export function refuseCancel(book: Book, isSent: boolean): void {
  if (isClosed(book.status())) throw refusal(book, 'payment_closed', null);
  if (isLateMoney(book.reviewReason())) {
    throw refusal(book, 'in_review', 'its money came after its end, and a person decides about it');
  }
  if (isSent && book.route().can?.cancel !== true) {
    throw refusal(book, 'already_sent', 'it was sent to the provider already');
  }
}

export function refuseCapture(
  input: PaymentInput,
  book: Book,
  desk: Desk,
  amountMinor: number,
): void {
  if (book.status() !== 'authorized') throw refusal(book, 'not_authorized', null);
  refusePaused(desk);
  const isPart = Number.isSafeInteger(amountMinor) && amountMinor > 0;
  if (isPart && amountMinor <= input.amountMinor) return;
  const why = `${amountMinor} is not within the ${input.amountMinor} that are authorized`;
  throw refusal(book, 'capture_refused', why);
}

export function refuseVerify(book: Book, desk: Desk): void {
  if (isClosed(book.status())) throw refusal(book, 'payment_closed', null);
  refusePaused(desk);
  if (!book.isOut()) throw refusal(book, 'not_sent', 'nothing was sent to the provider yet');
  const waitMs = desk.count.verifyWaitMs();
  if (waitMs === 0) return;
  const message = 'the provider was asked about it too often within the last hour';
  const details = [{ retryAfterMs: waitMs }];
  const type = 'rate_limited';
  throw ApplicationFailure.create({ message, type, nonRetryable: true, details });
}

/** A capture beside another that was faster: what that one took is all there is. */
export function refuseTaken(input: PaymentInput, book: Book, askedMinor: number): void {
  const takenMinor = book.takenMinor();
  if (takenMinor === null || takenMinor === askedMinor) return;
  const taken = formatMoney({ amountMinor: takenMinor, currency: input.currency });
  throw ApplicationFailure.nonRetryable(`${taken} (${takenMinor}) was taken`, 'capture_refused');
}

export function refuseDecision(input: PaymentInput, book: Book, decision: Decision): void {
  if (book.status() !== 'needs_review') throw refusal(book, 'not_in_review', null);
  const fault = faultOfDecision(decision, { ...input, reviewReason: book.reviewReason() });
  if (fault !== null) throw refusal(book, 'invalid_decision', fault);
}

export function refuseRefundDecision(book: RefundBook, decision: RefundDecision): void {
  const fault = faultOfDecision(decision, null);
  const isInReview = book.status() === 'needs_review';
  if (isInReview && fault === null) return;
  const type = isInReview ? 'invalid_decision' : 'not_in_review';
  throw ApplicationFailure.nonRetryable(fault ?? `it is ${book.status()}`, type);
}
