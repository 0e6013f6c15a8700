import { patched } from '@temporalio/workflow';
import { mismatchOf } from '../domain/capture.ts';
import { money } from '../domain/money.ts';
import {
  isMoney,
  isOutcome,
  type LookupResult,
  OUTCOME_EVENTS,
  type Outcome,
} from '../domain/outcome.ts';
import type { PaymentInput, RecordRequest } from '../domain/payment.ts';
import { isClosed } from '../domain/payment-states.ts';
import { retryRuleOf, scheduleAt } from '../domain/policy.ts';
import { mayEndReview } from '../domain/review.ts';
import type { DeliveredEvent } from '../domain/webhook-event.ts';
import type { Book } from './book.ts';
import { askAbout } from './late-hold.ts';
import { reviewLateMismatch } from './late-mismatch.ts';
import { resolveLateSuccess } from './late-success.ts';
import { lookup } from './proxies.ts';

export type Verdict = {
  readonly outcome: Outcome;
  /** Makes the entry unique in the payment's trail. */
  readonly key: string;
  readonly cause: string;
  readonly delivered: DeliveredEvent | null;
};

/** Settles by what a status query said; what is not definite changes nothing. */
export async function settle(
  input: PaymentInput,
  book: Book,
  answer: LookupResult,
  key: string,
): Promise<void> {
  if (!isOutcome(answer)) return;
  const cause = 'the provider’s status query';
  await settleVerdict(input, book, { outcome: answer, key, cause, delivered: null });
}

/**
 * Applies an outcome to the payment, unless its money does not match: then a person must look. What
 * a review is not ended by is only noted.
 */
export async function settleVerdict(
  input: PaymentInput,
  book: Book,
  verdict: Verdict,
): Promise<void> {
  const { outcome, key, delivered } = verdict;
  if (!mayEndReview(book.reviewReason(), outcome) && patched('note-in-review')) {
    return await note(book, verdict);
  }
  const expected = money(input.amountMinor, input.currency);
  const wrong = mismatchOf(outcome, expected, input.captureMethod);
  const doubt = isMoney(outcome) && wrong !== null ? `the ${wrong} does not match` : null;
  const isRepeated = delivered === null && book.reviewReason() === 'amount_mismatch';
  if (doubt !== null && isRepeated) return await note(book, verdict);
  const contradiction =
    doubt === null && delivered !== null ? await contradictionOf(input, book, outcome) : null;
  if (doubt !== null) {
    const eventId = delivered?.eventId ?? null;
    if (await reviewLateMismatch(input, book, { outcome, key, mismatch: doubt, eventId })) return;
  }
  if (doubt !== null || contradiction !== null) {
    const note = doubt ?? contradiction ?? '';
    return await sendToReview(input, book, verdict, note, doubt !== null);
  }
  const webhook =
    delivered === null
      ? null
      : ({ eventId: delivered.eventId, status: 'applied', note: null } as const);
  if (await planReattempt(input, book, { outcome, key, webhook })) return;
  await writeOutcome(input, book, verdict, webhook);
}

/** Money that comes after the end needs review; the policy may know what to do with it. */
async function writeOutcome(
  input: PaymentInput,
  book: Book,
  { outcome, key, cause }: Verdict,
  webhook: RecordRequest['webhook'],
): Promise<void> {
  const isHeld = outcome.kind === 'authorized';
  const isUnpaid = book.status() === 'failed' || book.status() === 'canceled';
  const isLate = isMoney(outcome) && isUnpaid;
  const said =
    isLate && !isHeld && patched('late-success-in-run')
      ? await askAbout(input, book, outcome)
      : null;
  const written = await book.write({
    key,
    action: 'payment.settled',
    actor: 'provider',
    cause: said === null ? cause : `${cause}; ${said.text}`,
    event: OUTCOME_EVENTS[outcome.kind],
    outcome,
    reviewReason: isLate ? 'late_success' : null,
    waitingFor: isLate ? 'review' : isHeld ? 'capture' : null,
    waitMs: isHeld ? input.policy.authorization.expires_after_ms : null,
    webhook,
  });
  if (said === null || written.status !== 'needs_review' || !written.changed) return;
  await resolveLateSuccess(input, book, { outcome, said, key });
}

/** A status query says the same each time that it is asked: that is noted once. */
async function note(book: Book, { outcome, key, cause, delivered }: Verdict): Promise<void> {
  const reason = book.reviewReason();
  const text = `in review (${reason}): a person decides`;
  const webhook =
    delivered && ({ eventId: delivered.eventId, status: 'parked', note: text } as const);
  await book.write({
    key: delivered === null ? `noted/${reason}/${outcome.kind}` : key,
    action: 'payment.outcome_noted',
    actor: 'provider',
    cause: `${cause} says ${outcome.kind}; ${text}`,
    webhook,
  });
}

/** Opens another attempt where the policy names this failure; true when it did. */
export async function planReattempt(
  input: PaymentInput,
  book: Book,
  failed: Pick<Verdict, 'outcome' | 'key'> & Pick<RecordRequest, 'webhook'>,
): Promise<boolean> {
  const { outcome, key, webhook } = failed;
  const pauseMs = reattemptAfterMs(input, book, outcome);
  if (pauseMs === null) return false;
  await book.openAttempt({
    key: `${key}/reattempt`,
    action: 'payment.reattempt_planned',
    cause: `${outcome.failure?.message ?? 'declined'} Policy: another attempt.`,
    outcome,
    waitMs: pauseMs,
    webhook,
  });
  return true;
}

/** The pause before another attempt, where this failure's rule asks for one; null for none. */
function reattemptAfterMs(input: PaymentInput, book: Book, outcome: Outcome): number | null {
  const isOver = book.attemptOrdinal() >= (input.policy.reattempt?.max_attempts ?? 1);
  const isUnsettled = book.status() === 'created' || book.status() === 'processing';
  if (isOver || outcome.kind !== 'declined' || !isUnsettled) return null;
  const rule = retryRuleOf(input.policy, {
    code: outcome.failure?.code ?? 'declined',
    providerCode: outcome.providerCode,
    isFinal: outcome.isFinal === true,
  });
  return rule.auto === true ? (rule.after_ms ?? 0) : null;
}

/** A person must look: the money or the words do not fit. */
async function sendToReview(
  input: PaymentInput,
  book: Book,
  { key, delivered, outcome }: Verdict,
  note: string,
  isMismatch: boolean,
): Promise<void> {
  await book.write({
    key,
    action: isClosed(book.status()) ? 'payment.callback_refused' : 'payment.review_needed',
    actor: 'provider',
    cause: note,
    event: isClosed(book.status()) ? null : 'gave_up',
    providerPaymentId: outcome.providerPaymentId,
    reviewReason: isMismatch ? 'amount_mismatch' : 'contradiction',
    waitingFor: 'review',
    waitMs: scheduleAt(input.policy.review.ask_every_ms, 0),
    webhook: delivered === null ? null : { eventId: delivered.eventId, status: 'parked', note },
  });
}

/**
 * Where the policy asks for it, a callback's success is held against the provider's status query.
 * A query that says nothing definite does not reject the callback.
 */
async function contradictionOf(
  input: PaymentInput,
  book: Book,
  outcome: Outcome,
): Promise<string | null> {
  const from = input.policy.confirm_callback_from_minor;
  const id = book.providerPaymentId() ?? outcome.providerPaymentId;
  const isAsked = outcome.kind === 'succeeded' && from !== null && input.amountMinor >= from;
  if (!isAsked || id === null || isClosed(book.status())) return null;
  const asked = { attemptId: book.attemptId(), providerPaymentId: id };
  const answer = await lookup(input, asked, input.policy.lookup.timeout_ms * 2);
  if (answer === null || !isOutcome(answer) || answer.kind === outcome.kind) return null;
  return `callback says ${outcome.kind}, status query says ${answer.kind}`;
}
