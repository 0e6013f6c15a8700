import { patched } from '@temporalio/workflow';
import { isMoney, OUTCOME_EVENTS, type Outcome } from '../domain/outcome.ts';
import type { PaymentInput } from '../domain/payment.ts';
import { isUnpaid } from '../domain/payment-states.ts';
import type { Book } from './book.ts';
import { askAbout, type Said } from './late-hold.ts';

/**
 * Money of another amount or currency that came after the payment had ended without any: a person
 * decides what becomes of it, since no policy speaks of such money.
 * @returns false where it is no such money, and nothing was done.
 */
export async function reviewLateMismatch(
  input: PaymentInput,
  book: Book,
  late: {
    readonly outcome: Outcome;
    readonly key: string;
    readonly mismatch: string;
    /** The stored callback that told it, where one did. */
    readonly eventId: string | null;
    /** What the provider says of it; left out, it is asked. */
    readonly said?: Said;
  },
): Promise<boolean> {
  const { outcome, key, mismatch, eventId } = late;
  const isLate = isMoney(outcome) && isUnpaid(book.status());
  if (!isLate || !patched('review-late-mismatch')) return false;
  const said = late.said ?? (await askAbout(input, book, outcome));
  await book.write({
    key,
    action: 'payment.late_outcome',
    actor: 'provider',
    cause: `late ${outcome.kind}: ${mismatch}; ${said.text}`,
    event: OUTCOME_EVENTS[outcome.kind],
    outcome,
    reviewReason: 'late_amount_mismatch',
    waitingFor: 'review',
    webhook: eventId === null ? null : { eventId, status: 'parked', note: mismatch },
  });
  return true;
}
