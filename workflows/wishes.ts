import { type FailureCode, failure } from '../domain/error.ts';
import { formatMoney } from '../domain/money.ts';
import { isOutcome } from '../domain/outcome.ts';
import type { PaymentInput } from '../domain/payment.ts';
import { CANCELED_UNSENT, type RecordRequest } from '../domain/payment-record.ts';
import { isClosed } from '../domain/payment-states.ts';
import type { Book } from './book.ts';
import type { Wish } from './desk.ts';
import { endHold, sendHoldToReview } from './holds.ts';
import { askedOf, canLookUp, lookup } from './lookup.ts';
import { settleVerdict } from './settlement.ts';

/** Does what a merchant asked for, as far as the payment and the provider let us. */
export async function grantWish(input: PaymentInput, book: Book, wish: Wish): Promise<void> {
  if (!isClosed(book.status())) wish.refusal = await GRANTS[wish.kind](input, book, wish);
  wish.isAnswered = true;
}

/** Each answers null, or why it did not go. */
const GRANTS = {
  cancel: (input: PaymentInput, book: Book) => cancel(input, book),
  capture,
  verify,
} as const satisfies Record<
  Wish['kind'],
  (input: PaymentInput, book: Book, wish: Wish) => Promise<string | null>
>;

async function cancel(input: PaymentInput, book: Book): Promise<string | null> {
  if (book.isOut()) return await cancelAtProvider(input, book);
  const written = await book.write({ ...CANCELED_UNSENT, provenUnsent: book.provenUnsent() });
  if (written.mayBeAtProvider !== true) return null;
  book.setOut(true);
  return await cancelAtProvider(input, book);
}

/** Where nobody can tell, held money needs a person; all else is asked about anyway. */
async function cancelAtProvider(input: PaymentInput, book: Book): Promise<string | null> {
  const key = `cancel/${book.status()}`;
  const why = { code: 'canceled_by_merchant', actor: 'merchant', key } as const;
  const doubt = await tryToLetGo(input, book, why);
  if (doubt === null) return null;
  if (!doubt.isUnclear || book.status() !== 'authorized') return doubt.message;
  const cause = `whether it was canceled is not known: ${doubt.message}`;
  await sendHoldToReview(input, book, { key: 'cancel-unclear', cause });
  return `${cause}; the payment is in review`;
}

type Why = {
  readonly code: FailureCode;
  readonly actor: RecordRequest['actor'];
  readonly key: string;
};
/** Why something that should have ended goes on; unclear where nobody knows whether it does. */
type Doubt = { readonly message: string; readonly isUnclear: boolean };

/**
 * Ends at the provider what was not yet paid. When the payer was faster, that is what is recorded.
 * @returns null when the payment has ended, or why that is not so or not known.
 */
export async function letGo(input: PaymentInput, book: Book, why: Why): Promise<string | null> {
  return (await tryToLetGo(input, book, why))?.message ?? null;
}

async function tryToLetGo(input: PaymentInput, book: Book, why: Why): Promise<Doubt | null> {
  if (input.can?.cancel !== true) {
    return { message: 'the provider cannot cancel', isUnclear: false };
  }
  const ending = await endHold('cancel', input, book, input.amountMinor);
  if (ending.kind !== 'told') {
    return { message: ending.message, isUnclear: ending.kind === 'unclear' };
  }
  const { outcome } = ending;
  if (outcome.kind === book.status()) return { message: 'it is still held', isUnclear: false };
  const key = book.numbered(why.key);
  if (outcome.kind !== 'canceled') {
    const cause = 'the provider’s answer to a cancel';
    await settleVerdict(input, book, { outcome, key, cause, delivered: null });
    if (isClosed(book.status())) return null;
    return { message: `it is ${outcome.kind}`, isUnclear: false };
  }
  await book.write({
    key,
    action: 'payment.canceled',
    actor: why.actor,
    cause: `let go at the provider: ${why.code}`,
    event: 'canceled',
    outcome: { ...outcome, failure: failure(why.code) },
  });
  return null;
}

async function capture(input: PaymentInput, book: Book, wish: Wish): Promise<string | null> {
  if (book.status() !== 'authorized') return `it is ${book.status()}`;
  const money = { amountMinor: wish.amountMinor ?? input.amountMinor, currency: input.currency };
  const ending = await endHold('capture', input, book, money.amountMinor);
  if (ending.kind === 'unclear') {
    const cause = `whether ${formatMoney(money)} was captured is not known: ${ending.message}`;
    await sendHoldToReview(input, book, { key: 'capture-unclear', cause });
    return `${cause}; the payment is in review`;
  }
  if (ending.kind === 'told' && ending.outcome.kind !== 'authorized') {
    await settleVerdict(input, book, {
      outcome: ending.outcome,
      key: book.numbered('captured'),
      cause: `captured ${formatMoney(money)} on the merchant’s word`,
      delivered: null,
    });
    return null;
  }
  const refused = ending.kind === 'refused' ? ending.message : 'it is still authorized';
  return `${refused}; it stays authorized and may be captured again`;
}

async function verify(input: PaymentInput, book: Book, wish: Wish): Promise<string | null> {
  const { by = 'the merchant' } = wish;
  const asked = askedOf(book);
  if (!canLookUp(input, asked)) return 'there is no id to ask by';
  wish.isAsked = true;
  const answer = await lookup(input, asked, input.policy.lookup.timeout_ms + 1_000);
  if (answer === null || !isOutcome(answer)) return 'the provider says nothing definite';
  if (answer.kind === book.status()) return null;
  const cause = `the provider’s status query, asked for by ${by}`;
  const key = book.numbered(`verify/${book.status()}`);
  await settleVerdict(input, book, { outcome: answer, key, cause, delivered: null });
  return null;
}
