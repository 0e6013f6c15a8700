import { isOutcome, OUTCOME_EVENTS, type Outcome, type ProviderEvent } from './outcome.ts';
import type { Payment } from './payment.ts';
import { next } from './payment-states.ts';
import { isRefundOutcome, type Refund, type RefundNews } from './refund.ts';
import { nextRefund } from './refund-states.ts';

/**
 * True when a callback about a payment that has ended only repeats what its row says, so that no
 * workflow is needed to take it. Another id, receipt or amount is news, but for what was told of
 * another id before.
 */
export function isOldNews(payment: Payment, event: ProviderEvent): boolean {
  if (!isOutcome(event)) return event.kind === 'pending';
  if (isToldOfAnotherId(payment, event)) return true;
  const isThere = next(payment.status, OUTCOME_EVENTS[event.kind]).kind === 'already_there';
  const { amountCapturedMinor, amountMinor } = payment;
  const known = event.kind === 'succeeded' ? amountCapturedMinor : amountMinor;
  const isSameMoney =
    event.money === null ||
    (event.money.amountMinor === known && event.money.currency === payment.currency);
  return (
    isThere &&
    isSameMoney &&
    repeats(event.providerPaymentId, payment.providerPaymentId) &&
    repeats(event.receipt, payment.providerReceipt)
  );
}

/** A former attempt had failed anyway, and of money under another id the newest word is known. */
function isToldOfAnotherId(payment: Payment, { kind, providerPaymentId: id }: Outcome): boolean {
  if (id === null || id === payment.providerPaymentId) return false;
  if (kind === 'declined' || kind === 'canceled') return payment.earlierProviderIds.includes(id);
  return payment.unmatchedReceipts.some((it) => it.providerPaymentId === id && it.kind === kind);
}

/** The same for a refund; a receipt is of no use to one that has ended: the next asks anew. */
export function isOldNewsOfRefund(refund: Refund, event: RefundNews): boolean {
  if (!isRefundOutcome(event)) return event.kind === 'pending' || event.kind === 'receipt';
  return (
    nextRefund(refund.status, event.kind).kind === 'already_there' &&
    repeats(event.amountMinor, refund.amountMinor) &&
    repeats(event.providerRefundId, refund.providerRefundId) &&
    repeats(event.receipt, refund.providerReceipt)
  );
}

function repeats<T>(said: T | null, known: T | null): boolean {
  return said === null || said === known;
}
