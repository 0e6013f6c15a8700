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
import type { PaymentInput } from '../domain/payment.ts';
import type { RecordRequest } from '../domain/payment-record.ts';
import { isClosed, isUnpaid } from '../domain/payment-states.ts';
import { retryRuleOf, scheduleAt } from '../domain/policy.ts';
import { mayEndReview } from '../domain/review.ts';
import type { DeliveredEvent } from '../domain/webhook-event.ts';
import type { Book } from './book.ts';
import { type Checked, checkCallback, confirmLater } from './confirmation.ts';
import { askAbout } from './late-hold.ts';
import { reviewLateMismatch } from './late-mismatch.ts';
import { resolveLateSuccess } from './late-success.ts';

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
  known: Checked | null = null,
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
  if (doubt !== null) {
    const eventId = delivered?.eventId ?? null;
    if (await reviewLateMismatch(input, book, { outcome, key, mismatch: doubt, eventId })) return;
    return await sendToReview(input, book, verdict, doubt, wrong !== 'payer');
  }
  if (delivered !== null) {
    // The other one, which is being asked about, decides.
    if (book.confirmation !== null && outcome.kind === 'succeeded') return;
    const checked = known ?? (await checkCallback(input, book, outcome));
    if (checked.kind === 'contradicted') {
      return await sendToReview(input, book, verdict, checked.note, false);
    }
    if (checked.kind === 'unconfirmed')
      return await holdBack(input, book, verdict, checked.untilMs);
  }
  const webhook =
    delivered === null
      ? null
      : ({ eventId: delivered.eventId, status: 'applied', note: null } as const);
  if (await planReattempt(input, book, { outcome, key, webhook })) return;
  await writeOutcome(input, book, verdict, webhook);
}

/** The callback stays to be applied: should this run be lost, the sweeper brings it again. */
async function holdBack(
  input: PaymentInput,
  book: Book,
  verdict: Verdict,
  untilMs: number,
): Promise<void> {
  const { outcome, key } = verdict;
  const isInReview = book.status() === 'needs_review';
  await book.write({
    key: `${key}/unconfirmed`,
    action: 'payment.callback_unclear',
    actor: 'provider',
    cause: `the callback says ${outcome.kind}; the status query does not confirm it yet`,
    waitingFor: isInReview ? null : 'lookup',
    waitMs: isInReview ? null : Math.max(untilMs - Date.now(), 0),
  });
  confirmLater(input, book, { outcome, untilMs }, (checked) =>
    settleVerdict(input, book, verdict, checked),
  );
}

/** Money that comes after the end needs review; the policy may know what to do with it. */
async function writeOutcome(
  input: PaymentInput,
  book: Book,
  { outcome, key, cause }: Verdict,
  webhook: RecordRequest['webhook'],
): Promise<void> {
  const isHeld = outcome.kind === 'authorized';
  const isLate = isMoney(outcome) && isUnpaid(book.status());
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

/** The same word of a status query or of callbacks is noted once. */
async function note(book: Book, { outcome, key, cause, delivered }: Verdict): Promise<void> {
  const reason = book.reviewReason();
  const text = `in review (${reason}): a person decides`;
  const webhook =
    delivered && ({ eventId: delivered.eventId, status: 'parked', note: text } as const);
  const said = `${cause} says ${outcome.kind}; ${text}`;
  const isRepeated = delivered !== null && book.noted.has(said);
  book.noted.add(said);
  await book.write({
    key: delivered === null ? `noted/${reason}/${outcome.kind}` : key,
    action: 'payment.outcome_noted',
    actor: 'provider',
    cause: said,
    isSilent: isRepeated,
    webhook,
  });
}

/** Opens another attempt where the policy names this failure; true when it did. */
export async function planReattempt(
  input: PaymentInput,
  book: Book,
  failed: Pick<Verdict, 'outcome' | 'key'> & Pick<RecordRequest, 'webhook' | 'provenUnsent'>,
): Promise<boolean> {
  const { outcome, key, ...told } = failed;
  const pauseMs = reattemptAfterMs(input, book, outcome);
  if (pauseMs === null) return false;
  await book.openAttempt({
    key: `${key}/reattempt`,
    action: 'payment.reattempt_planned',
    cause: `${outcome.failure?.message ?? 'declined'} Policy: another attempt.`,
    outcome,
    waitMs: pauseMs,
    ...told,
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
