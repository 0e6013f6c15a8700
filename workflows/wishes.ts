import { type FailureCode, failure } from '../domain/error.ts';
import { formatMoney } from '../domain/money.ts';
import type { PaymentInput, RecordRequest } from '../domain/payment.ts';
import { isClosed } from '../domain/payment-states.ts';
import { isOutcome } from '../domain/provider.ts';
import type { Book } from './book.ts';
import type { Wish } from './desk.ts';
import { lookup, settleAtProvider } from './proxies.ts';
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
  verify: (input: PaymentInput, book: Book) => verify(input, book),
} as const satisfies Record<
  Wish['kind'],
  (input: PaymentInput, book: Book, wish: Wish) => Promise<string | null>
>;

async function cancel(input: PaymentInput, book: Book): Promise<string | null> {
  if (book.isOut()) {
    const key = `cancel/${book.status()}`;
    return await letGo(input, book, { code: 'canceled_by_merchant', actor: 'merchant', key });
  }
  await book.write({
    key: 'canceled',
    action: 'payment.canceled',
    actor: 'merchant',
    cause: 'canceled before anything was sent',
    event: 'canceled',
    outcome: {
      kind: 'canceled',
      providerPaymentId: null,
      receipt: null,
      money: null,
      failure: failure('canceled_by_merchant'),
      providerCode: null,
    },
  });
  return null;
}

/**
 * Ends at the provider what was not yet paid. When the payer was faster, that is what is recorded.
 * @returns null when the payment has ended, or why that is not known.
 */
export async function letGo(
  input: PaymentInput,
  book: Book,
  why: {
    readonly code: FailureCode;
    readonly actor: RecordRequest['actor'];
    readonly key: string;
  },
): Promise<string | null> {
  const providerPaymentId = book.providerPaymentId();
  if (input.can?.cancel !== true) return 'the provider cannot cancel';
  if (providerPaymentId === null) return 'the provider’s id of it is not known yet';
  const held = { attemptId: book.attemptId(), providerPaymentId, amountMinor: input.amountMinor };
  const sent = await settleAtProvider('cancel', input, held);
  if (sent.kind === 'failed') return sent.failure.message;
  if (!isOutcome(sent.result)) return sent.result.message;
  if (sent.result.kind !== 'canceled') {
    const cause = 'the provider’s answer to a cancel';
    const verdict = { outcome: sent.result, key: why.key, cause, delivered: null };
    await settleVerdict(input, book, verdict);
    return isClosed(book.status()) ? null : `it is ${sent.result.kind}`;
  }
  await book.write({
    key: why.key,
    action: 'payment.canceled',
    actor: why.actor,
    cause: `let go at the provider: ${why.code}`,
    event: 'canceled',
    outcome: { ...sent.result, failure: failure(why.code) },
  });
  return null;
}

async function capture(input: PaymentInput, book: Book, wish: Wish): Promise<string | null> {
  const providerPaymentId = book.providerPaymentId();
  const amountMinor = wish.amountMinor ?? input.amountMinor;
  if (book.status() !== 'authorized') return `it is ${book.status()}`;
  if (providerPaymentId === null) return 'the provider’s id of it is not known yet';
  const held = { attemptId: book.attemptId(), providerPaymentId, amountMinor };
  const sent = await settleAtProvider('capture', input, held);
  const isOver = sent.kind === 'answered' && isOutcome(sent.result);
  if (isOver && sent.result.kind !== 'authorized') {
    const money = formatMoney({ amountMinor, currency: input.currency });
    const cause = `captured ${money} on the merchant’s word`;
    const verdict = { outcome: sent.result, key: 'captured', cause, delivered: null };
    await settleVerdict(input, book, verdict);
    return null;
  }
  const refused = sent.kind === 'failed' ? sent.failure.message : 'it is still authorized';
  return `${refused}; it stays authorized and may be captured again`;
}

async function verify(input: PaymentInput, book: Book): Promise<string | null> {
  const asked = { attemptId: book.attemptId(), providerPaymentId: book.providerPaymentId() };
  if (asked.providerPaymentId === null && input.can?.looks_up_by_our_id !== true) {
    return 'there is no id to ask by';
  }
  const answer = await lookup(input, asked, input.policy.lookup.timeout_ms + 1_000);
  if (answer === null || !isOutcome(answer)) return 'the provider says nothing definite';
  if (answer.kind === book.status()) return null;
  const cause = 'the provider’s status query, asked for by the merchant';
  const key = `verify/${book.status()}`;
  await settleVerdict(input, book, { outcome: answer, key, cause, delivered: null });
  return null;
}
