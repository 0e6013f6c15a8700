import { isMoney, isOutcome, type Outcome, type ProviderEvent } from '../domain/outcome.ts';
import { isClosed, type PaymentStatus } from '../domain/payment-states.ts';
import { scheduleAt } from '../domain/policy.ts';
import { isLateMoney } from '../domain/review.ts';
import type { UnmatchedReceiptReport } from '../domain/unmatched-receipt.ts';
import { type DeliveredEvent, isUnreadable } from '../domain/webhook-event.ts';
import { storeWebhookEvent } from './activities.ts';
import { applyLateEvent } from './late-money.ts';
import { applyOutcome } from './outcome.ts';
import type { Entry, PaymentRun } from './payment-run.ts';

/** Applies a callback. It is believed when it speaks of this payment's money and id. */
export async function applyEvent(run: PaymentRun, delivered: DeliveredEvent): Promise<void> {
  const { event, eventId, unstored } = delivered;
  if (unstored !== null) await storeWebhookEvent(unstored);
  const owner = run.ownerOf(event.providerPaymentId);
  if (owner !== 'current') return await applyForeignEvent(run, delivered, owner);
  if (isClosed(run.status) || isLateMoney(run.reviewReason)) {
    return await applyLateEvent(run, delivered);
  }
  if (!isOutcome(event)) return await noteUnclear(run, delivered, event.message);
  if (isUnpriced(event)) {
    return await noteUnclear(run, delivered, `${event.kind}, and it names no amount`);
  }
  await applyOutcome(run, { outcome: event, key: `event/${eventId}`, cause: 'callback', eventId });
}

/** A callback is believed with the amount that it names: without one the provider is asked. */
function isUnpriced(event: Outcome): boolean {
  return isMoney(event) && event.money === null;
}

async function noteUnclear(
  run: PaymentRun,
  { event, eventId }: DeliveredEvent,
  note: string,
): Promise<void> {
  const isAwaited = run.status === 'created' || run.status === 'processing';
  const isRepeated = run.noted.has(note);
  run.noted.add(note);
  const isCounted = isOutcome(event) || run.unclear.note(event);
  const isParked = isUnreadable(event);
  await run.record({
    key: `event/${eventId}`,
    action: 'payment.callback_unclear',
    actor: 'provider',
    cause: note,
    providerPaymentId: event.providerPaymentId,
    waitingFor: isAwaited ? 'lookup' : null,
    isWithoutAuditEntry: event.kind === 'pending' || isRepeated || (isParked && !isCounted),
    webhook: { eventId, status: isParked ? 'parked' : 'applied', note },
  });
}

/** Whom an event speaks of that is not about the payment's current attempt. */
type Owner = Exclude<ReturnType<PaymentRun['ownerOf']>, 'current'>;

/**
 * A callback under another of the provider's ids than the payment's own. Money is shown as an
 * unmatched receipt, whatever the payment came to: the payer may have paid twice. Anything else of
 * an earlier attempt is a repetition, and of an id that nobody knows it is parked.
 */
async function applyForeignEvent(
  run: PaymentRun,
  { event, eventId }: DeliveredEvent,
  owner: Owner,
): Promise<void> {
  const key = `event/${eventId}`;
  const unmatchedReceipt = unmatchedReceiptOf(event);
  if (unmatchedReceipt !== null) {
    await run.record({
      key,
      action: 'payment.unmatched_receipt_found',
      actor: 'provider',
      cause: `${event.kind}, ${WHOSE[owner]}`,
      unmatchedReceipt,
      webhook: { eventId, status: 'applied', note: 'unmatched receipt' },
      ...reviewOf(run, owner),
    });
    return;
  }
  const isEarlier = owner === 'earlier';
  const note = isEarlier ? 'about an earlier attempt' : 'it names another payment of the provider';
  await run.record({
    key,
    action: isEarlier ? 'payment.callback_unclear' : 'payment.callback_refused',
    actor: 'provider',
    cause: `${note}: ${event.kind}`,
    webhook: { eventId, status: isEarlier ? 'applied' : 'parked', note },
  });
}

const WHOSE = {
  earlier: 'and it is of an earlier attempt that was thought to have failed',
  unknown: 'under an id of the provider that nobody knows',
} as const satisfies Record<Owner, string>;

function unmatchedReceiptOf(event: ProviderEvent): UnmatchedReceiptReport | null {
  if (event.kind !== 'succeeded' && event.kind !== 'authorized') return null;
  const { kind, providerPaymentId, receipt, money } = event;
  return providerPaymentId === null ? null : { kind, providerPaymentId, receipt, money };
}

const CONTRADICTION = { event: 'gave_up', reviewReason: 'contradiction' } as const;
const LATE_SUCCESS = { event: 'succeeded', reviewReason: 'late_success' } as const;

/** Where a person has to look at the payment itself as well. */
const REVIEWS = {
  created: null,
  processing: CONTRADICTION,
  requires_action: CONTRADICTION,
  authorized: CONTRADICTION,
  needs_review: null,
  succeeded: null,
  failed: LATE_SUCCESS,
  canceled: LATE_SUCCESS,
} as const satisfies Record<PaymentStatus, Partial<Entry> | null>;

/** An id that nobody knows changes nothing of a payment that goes on. */
function reviewOf(run: PaymentRun, owner: Owner): Partial<Entry> {
  const review = owner === 'earlier' || isClosed(run.status) ? REVIEWS[run.status] : null;
  return review === null
    ? {}
    : {
        ...review,
        waitingFor: 'review',
        waitMs: scheduleAt(run.input.policy.review.poll_interval_ms, 0),
      };
}
