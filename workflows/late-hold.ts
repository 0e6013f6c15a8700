import { mismatchOf } from '../domain/capture.ts';
import { money } from '../domain/money.ts';
import { isMoney, isOutcome, type Outcome } from '../domain/outcome.ts';
import type { PaymentInput } from '../domain/payment.ts';
import type { Book } from './book.ts';
import { lookup } from './lookup.ts';

/** What the provider says now about money that is told of late. */
export type Said = {
  readonly text: string;
  readonly confirms: boolean;
  readonly contradicts: boolean;
  /** The provider itself says that it holds nothing and took nothing. */
  readonly isLetGo: boolean;
};
/** Of what needs no question. */
export const NOT_ASKED: Said = {
  text: 'it is in review already',
  confirms: false,
  contradicts: false,
  isLetGo: false,
};
const NOTHING = { confirms: false, contradicts: false, isLetGo: false } as const;

/** Late money is asked about before anything rests on it: callbacks may be forged. */
export async function askAbout(input: PaymentInput, book: Book, outcome: Outcome): Promise<Said> {
  const id = outcome.providerPaymentId;
  if (!isMoney(outcome) || id === null) return { ...NOTHING, text: 'nothing to ask' };
  const asked = { attemptOrdinal: book.attemptOrdinal(), providerPaymentId: id };
  const answer = await lookup(input, asked, input.policy.lookup.timeout_ms * 2);
  if (answer === null || !isOutcome(answer)) {
    return { ...NOTHING, text: 'the status query says nothing definite' };
  }
  const wrong = mismatchOf(answer, money(input.amountMinor, input.currency), input.captureMethod);
  const confirms = answer.kind === outcome.kind && wrong === null;
  const isLetGo = answer.kind === 'canceled' || answer.kind === 'declined';
  const other = wrong === null ? '' : `, and its ${wrong} does not match`;
  const text = `the status query says ${answer.kind}${other}`;
  return { text, confirms, contradicts: !confirms, isLetGo };
}

/** Webhooks come in any order: one of a hold may be on its way while the hold is let go. */
export function isOvertaken(event: Outcome, said: Said): boolean {
  return event.kind === 'authorized' && said.isLetGo;
}
