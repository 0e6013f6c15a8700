import { patched, sleep } from '@temporalio/workflow';
import { isOutcome, type LookupResult, type Outcome } from '../domain/outcome.ts';
import type { PaymentInput } from '../domain/payment.ts';
import { isClosed } from '../domain/payment-states.ts';
import { promptLifeMs, scheduleAt, scheduleFrom } from '../domain/policy.ts';
import type { Book } from './book.ts';
import { type Asked, askedOf, lookup } from './lookup.ts';

/** What the status query makes of a callback's success. */
export type Checked =
  | { readonly kind: 'believed' }
  | { readonly kind: 'contradicted'; readonly note: string }
  /** It says nothing definite, and the prompt may ring until then. */
  | { readonly kind: 'unconfirmed'; readonly untilMs: number };

/** Clocks of two servers are never quite the same: the prompt's life ends in both. */
const CLOCKS_DIFFER_MS = 5_000;
const BELIEVED = { kind: 'believed' } as const;

/**
 * Where the policy asks for it, a callback's success is held against the provider's status query:
 * callbacks may be forged. A prompt that rings confirms nothing; but a query that tells nothing
 * after the prompt's life is over does not reject the callback.
 */
export async function checkCallback(
  input: PaymentInput,
  book: Book,
  outcome: Outcome,
): Promise<Checked> {
  const from = input.policy.confirm_callback_from_minor;
  const asked = askedOf(book, outcome.providerPaymentId);
  const isChecked = outcome.kind === 'succeeded' && from !== null && input.amountMinor >= from;
  if (!isChecked || asked.providerPaymentId === null || isClosed(book.status())) return BELIEVED;
  const sinceMs = book.outSinceMs() ?? Date.now();
  const untilMs = sinceMs + promptLifeMs(input.policy) + CLOCKS_DIFFER_MS;
  const isLast = Date.now() >= untilMs;
  const answer = await askNow(input, asked, isLast);
  const isDefinite = answer !== null && isOutcome(answer);
  if (isDefinite || isLast || !patched('confirm-callback')) return judge(outcome, answer);
  return { kind: 'unconfirmed', untilMs };
}

/**
 * Goes on asking, beside all else that the payment does, until the query is definite or the prompt
 * is over. Then `apply` is due, as a message is.
 */
export function confirmLater(
  input: PaymentInput,
  book: Book,
  { outcome, untilMs }: { readonly outcome: Outcome; readonly untilMs: number },
  apply: (checked: Checked) => Promise<void>,
): void {
  const confirmation: Book['confirmation'] = { apply: null };
  book.confirmation = confirmation;
  const end = (answer: LookupResult | null) => {
    confirmation.apply = () => {
      book.confirmation = null;
      return apply(judge(outcome, answer));
    };
  };
  // What ends the workflow ends the questions too.
  askUntil(input, askedOf(book, outcome.providerPaymentId), untilMs).then(end, () => undefined);
}

async function askUntil(
  input: PaymentInput,
  asked: Asked,
  untilMs: number,
): Promise<LookupResult | null> {
  const { every_ms } = input.policy.lookup;
  await sleep(Math.max(Math.min(scheduleAt(every_ms, 0), untilMs - Date.now()), 1));
  const leftMs = untilMs - Date.now();
  const everyMs = scheduleFrom(every_ms, 1);
  const answer = leftMs > 0 ? await lookup(input, asked, leftMs, { everyMs }) : null;
  if (answer !== null) return answer;
  await sleep(Math.max(untilMs - Date.now(), 1));
  return await askNow(input, asked, true);
}

/** One question. @param isLast whether the prompt is over: then no code is too early to count. */
function askNow(input: PaymentInput, asked: Asked, isLast: boolean): Promise<LookupResult | null> {
  const windowMs = input.policy.lookup.timeout_ms * 2;
  return lookup(input, asked, windowMs, { isOnce: true, isPromptOver: isLast });
}

function judge(outcome: Outcome, answer: LookupResult | null): Checked {
  if (answer === null || !isOutcome(answer) || answer.kind === outcome.kind) return BELIEVED;
  const note = `callback says ${outcome.kind}, status query says ${answer.kind}`;
  return { kind: 'contradicted', note };
}
