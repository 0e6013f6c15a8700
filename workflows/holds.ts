import { patched } from '@temporalio/workflow';
import type { ProviderErrorKind } from '../domain/error.ts';
import { isOutcome, type LookupResult, type Outcome } from '../domain/outcome.ts';
import type { PaymentInput } from '../domain/payment.ts';
import { scheduleAt } from '../domain/policy.ts';
import type { Book } from './book.ts';
import { lookup } from './lookup.ts';
import { type Sent, settleAtProvider } from './proxies.ts';

/**
 * How a capture or cancel ended. `told`: what the payment is now, by the provider. `refused`: it
 * was not done. `unclear`: nobody could tell.
 */
export type Ending =
  | { readonly kind: 'told'; readonly outcome: Outcome }
  | { readonly kind: 'refused' | 'unclear'; readonly message: string };

/** Which failures prove that the provider did nothing. */
const IS_PROOF = {
  unsent: true,
  rate_limited: true,
  misconfigured: true,
  ambiguous: false,
  not_dispatched: false,
} as const satisfies Record<ProviderErrorKind, boolean>;

/**
 * Captures or cancels what the provider has of the current attempt, and asks what became of it
 * where the answer is unclear. The next one goes by another key only after a proof that this one
 * did nothing: a provider may replay a lost answer under its key for ever.
 */
export async function endHold(
  step: 'capture' | 'cancel',
  input: PaymentInput,
  book: Book,
  amountMinor: number,
): Promise<Ending> {
  const providerPaymentId = book.providerPaymentId();
  if (providerPaymentId === null) {
    return { kind: 'refused', message: 'the provider’s id of it is not known yet' };
  }
  const asked = { attemptOrdinal: book.attemptOrdinal(), providerPaymentId };
  const ordinal = book.ordinals[step];
  const key = ordinal === 1 ? {} : { ordinal };
  const sent = await settleAtProvider(step, input, { ...asked, amountMinor, ...key });
  const ending = await endingOf(input, asked, sent);
  const isHeld = ending.kind === 'told' && ending.outcome.kind === 'authorized';
  const isRefused = sent.kind === 'failed' && IS_PROOF[sent.failure.kind];
  if (isHeld || isRefused) book.ordinals[step] += 1;
  return ending;
}

async function endingOf(
  input: PaymentInput,
  asked: { readonly attemptOrdinal: number; readonly providerPaymentId: string },
  sent: Sent<LookupResult>,
): Promise<Ending> {
  const told = sent.kind === 'answered' ? sent.result : null;
  if (told !== null && isOutcome(told)) return { kind: 'told', outcome: told };
  const message = told?.message ?? (sent.kind === 'failed' ? sent.failure.message : '');
  const isRefused = sent.kind === 'failed' && IS_PROOF[sent.failure.kind];
  if (isRefused || !patched('ask-after-settlement')) return { kind: 'refused', message };
  const answer = await lookup(input, asked, input.policy.lookup.timeout_ms * 2);
  if (answer !== null && isOutcome(answer)) return { kind: 'told', outcome: answer };
  return { kind: 'unclear', message };
}

/** Nobody could tell what became of it: a later answer, a callback or a person will. */
export async function sendHoldToReview(
  input: PaymentInput,
  book: Book,
  { key, cause }: { readonly key: string; readonly cause: string },
): Promise<void> {
  await book.write({
    key: book.numbered(key),
    action: 'payment.review_needed',
    cause,
    event: 'gave_up',
    reviewReason: 'no_answer',
    waitingFor: 'review',
    waitMs: scheduleAt(input.policy.review.ask_every_ms, 0),
  });
}
