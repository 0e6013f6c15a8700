import { setHandler } from '@temporalio/workflow';
import { mismatchOf } from '../domain/capture.ts';
import { money } from '../domain/money.ts';
import { isMoney, isOutcome, OUTCOME_EVENTS } from '../domain/outcome.ts';
import type { PaymentInput } from '../domain/payment.ts';
import { isUnpaid } from '../domain/payment-states.ts';
import { isRefundOutcome, type LateRefundInput } from '../domain/refund.ts';
import type { Book } from './book.ts';
import { reviewLateMismatch } from './late-mismatch.ts';
import { resolveLateSuccess } from './late-success.ts';
import { askedOf, lookup } from './lookup.ts';
import { lookBackSignal } from './messages.ts';
import type { RefundBook } from './refund-book.ts';
import { settleRefund } from './refund-news.ts';
import { lookupRefund } from './refund-proxies.ts';

/** The look backs that are asked for. To be opened before the workflow's first await. */
export function openLookBacks() {
  const asked: number[] = [];
  setHandler(lookBackSignal, (nth) => {
    asked.push(nth);
  });
  return { isAsked: () => asked.length > 0, take: () => asked.shift() };
}

/**
 * Asks once about a payment that ended without money. Money is treated as if a callback had told of
 * it; anything else leaves no entry.
 */
export async function lookBackAtPayment(
  input: PaymentInput,
  book: Book,
  nth: number,
): Promise<void> {
  if (!isUnpaid(book.status())) return;
  const how = { isOnce: true, isPromptOver: true, isLast: true };
  const outcome = await lookup(input, askedOf(book), input.policy.lookup.window_ms, how);
  if (outcome === null || !isOutcome(outcome) || !isMoney(outcome)) return;
  if (!isUnpaid(book.status())) return;
  const key = `look-back/${nth}`;
  const text = `asked again after the end, the status query says ${outcome.kind}`;
  const said = { text, confirms: true, contradicts: false, isLetGo: false };
  const wrong = mismatchOf(outcome, money(input.amountMinor, input.currency), input.captureMethod);
  if (wrong !== null) {
    const late = { outcome, key, mismatch: `the ${wrong} does not match`, eventId: null, said };
    await reviewLateMismatch(input, book, late);
    return;
  }
  const written = await book.write({
    key,
    action: 'payment.late_outcome',
    actor: 'provider',
    cause: text,
    event: OUTCOME_EVENTS[outcome.kind],
    outcome,
    reviewReason: 'late_success',
    waitingFor: 'review',
  });
  if (written.status !== 'needs_review') return;
  await resolveLateSuccess(input, book, { outcome, said, key });
}

/** The same about a refund that failed. Who answers later tells it by a callback. */
export async function lookBackAtRefund(
  input: LateRefundInput,
  book: RefundBook,
  nth: number,
): Promise<void> {
  if (book.status() !== 'failed') return;
  const how = { isOnce: true, isLast: true };
  const outcome = await lookupRefund(input, book, input.policy.lookup.window_ms, how);
  if (outcome === null || !isRefundOutcome(outcome) || outcome.kind !== 'succeeded') return;
  const cause = 'asked again after the end: the provider’s status query';
  await settleRefund(input, book, { outcome, key: `look-back/${nth}`, cause, eventId: null });
}
