import type { ProviderEvent } from '../domain/outcome.ts';
import type { PaymentInput } from '../domain/payment.ts';
import { isClosed, type PaymentStatus } from '../domain/payment-states.ts';
import { scheduleAt } from '../domain/policy.ts';
import type { SurplusReport } from '../domain/surplus.ts';
import type { DeliveredEvent } from '../domain/webhook-event.ts';
import type { Book, Entry } from './book.ts';

/** Whom an event speaks of that is not about the payment's current attempt. */
type Owner = Exclude<ReturnType<Book['ownerOf']>, 'current'>;

/**
 * A callback under another of the provider's ids than the payment's own. Money is shown as surplus,
 * whatever the payment came to: the payer may have paid twice. Anything else of a former attempt is
 * a repetition, and of an id that nobody knows it is parked.
 */
export async function applyAside(
  input: PaymentInput,
  book: Book,
  delivered: DeliveredEvent,
  owner: Owner,
): Promise<void> {
  const { event, eventId } = delivered;
  const key = `event/${eventId}`;
  const surplus = surplusOf(event);
  if (surplus !== null) {
    const cause = `${event.kind}, ${WHOSE[owner]}`;
    const review = reviewOf(input, book.status(), owner);
    const webhook = { eventId, status: 'applied', note: 'surplus' } as const;
    const action = 'payment.surplus_found';
    await book.write({ key, action, actor: 'provider', cause, surplus, webhook, ...review });
    return;
  }
  const note = owner === 'earlier' ? 'about an earlier attempt' : NAMES_ANOTHER;
  await book.write({
    key,
    action: owner === 'earlier' ? 'payment.callback_unclear' : 'payment.callback_refused',
    actor: 'provider',
    cause: `${note}: ${event.kind}`,
    webhook: { eventId, status: owner === 'earlier' ? 'applied' : 'parked', note },
  });
}

const NAMES_ANOTHER = 'it names another payment of the provider';
const WHOSE = {
  earlier: 'and it is of an earlier attempt that was thought to have failed',
  unknown: 'under an id of the provider that nobody knows',
} as const satisfies Record<Owner, string>;

function surplusOf(event: ProviderEvent): SurplusReport | null {
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
function reviewOf(input: PaymentInput, status: PaymentStatus, owner: Owner): Partial<Entry> {
  const review = owner === 'earlier' || isClosed(status) ? REVIEWS[status] : null;
  if (review === null) return {};
  const waitMs = scheduleAt(input.policy.review.ask_every_ms, 0);
  return { ...review, waitingFor: 'review', waitMs };
}
