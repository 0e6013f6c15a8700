import { mismatchOf } from '../domain/capture.ts';
import {
  isMoney,
  isOutcome,
  type LookupResult,
  OUTCOME_ACTIONS,
  OUTCOME_EVENTS,
  type Outcome,
} from '../domain/outcome.ts';
import type { RecordRequest, Report } from '../domain/payment-record.ts';
import { isClosed, isUnpaid } from '../domain/payment-states.ts';
import { retryRuleOf } from '../domain/policy.ts';
import { mayEndReview } from '../domain/review.ts';
import { type Checked, checkCallback, confirmLater } from './confirmation.ts';
import { applyLateOutcome, reviewLateMismatch } from './late-money.ts';
import type { PaymentRun } from './payment-run.ts';

/** Applies a status query's answer; one that is not definite changes nothing. */
export async function applyAnswer(
  run: PaymentRun,
  answer: LookupResult,
  key: string,
): Promise<void> {
  if (!isOutcome(answer) || answer.kind === run.status) return;
  const cause = 'the provider’s status query';
  await applyOutcome(run, { outcome: answer, key: run.numbered(key), cause, eventId: null });
}

/**
 * Applies an outcome to the payment, unless its money does not match: then a person must look.
 * Outcomes that cannot end a review are noted, and change nothing else.
 */
export async function applyOutcome(
  run: PaymentRun,
  report: Report,
  known: Checked | null = null,
): Promise<void> {
  const { outcome, key, eventId } = report;
  if (!mayEndReview(run.reviewReason, outcome)) return await noteInReview(run, report);
  const wrong = isMoney(outcome) ? mismatchOf(outcome, run.input) : null;
  if (wrong !== null) {
    if (eventId === null && run.reviewReason === 'amount_mismatch') {
      return await noteInReview(run, report);
    }
    const mismatch = `the ${wrong} does not match`;
    if (await reviewLateMismatch(run, { outcome, key, mismatch, eventId })) return;
    return await sendToReview(run, report, mismatch, wrong !== 'payer');
  }
  if (eventId !== null) {
    // The other one, which is being asked about, decides.
    if (run.confirmation !== null && outcome.kind === 'succeeded') return;
    const checked = known ?? (await checkCallback(run, outcome));
    if (checked.kind === 'contradicted') {
      return await sendToReview(run, report, checked.note, false);
    }
    if (checked.kind === 'unconfirmed') return await holdBack(run, report, checked.untilMs);
  }
  const webhook = eventId === null ? null : ({ eventId, status: 'applied', note: null } as const);
  if (await planReattempt(run, { outcome, key, webhook })) return;
  if (isMoney(outcome) && isUnpaid(run.status)) return await applyLateOutcome(run, report);
  const isAuthorized = outcome.kind === 'authorized';
  await run.record({
    key,
    action: OUTCOME_ACTIONS[outcome.kind],
    actor: 'provider',
    cause: report.cause,
    event: OUTCOME_EVENTS[outcome.kind],
    outcome,
    waitingFor: isAuthorized ? 'capture' : null,
    waitMs: isAuthorized ? run.input.policy.authorization.expires_after_ms : null,
    webhook,
  });
}

/** The callback stays to be applied: should this run be lost, the sweeper brings it again. */
async function holdBack(run: PaymentRun, report: Report, untilMs: number): Promise<void> {
  const { outcome, key } = report;
  const isInReview = run.status === 'needs_review';
  await run.record({
    key: `${key}/unconfirmed`,
    action: 'payment.callback_unclear',
    actor: 'provider',
    cause: `the callback says ${outcome.kind}; the status query does not confirm it yet`,
    waitingFor: isInReview ? null : 'lookup',
    waitMs: isInReview ? null : Math.max(untilMs - Date.now(), 0),
  });
  confirmLater(run, { outcome, untilMs }, (checked) => applyOutcome(run, report, checked));
}

/** The same outcome of a status query or of callbacks is noted once. */
async function noteInReview(run: PaymentRun, report: Report): Promise<void> {
  const { outcome, key, cause, eventId } = report;
  const text = `in review (${run.reviewReason}): a person decides`;
  const noted = `${cause} says ${outcome.kind}; ${text}`;
  const isRepeated = eventId !== null && run.noted.has(noted);
  run.noted.add(noted);
  await run.record({
    key: eventId === null ? `noted/${run.reviewReason}/${outcome.kind}` : key,
    action: 'payment.outcome_noted',
    actor: 'provider',
    cause: noted,
    isWithoutAuditEntry: isRepeated,
    webhook: eventId === null ? null : { eventId, status: 'parked', note: text },
  });
}

/** Opens another attempt where the policy names this failure; true when it did. */
export async function planReattempt(
  run: PaymentRun,
  failed: Pick<Report, 'outcome' | 'key'> & Pick<RecordRequest, 'webhook' | 'provenUnsent'>,
): Promise<boolean> {
  const { outcome, key, ...more } = failed;
  const pauseMs = reattemptAfterMs(run, outcome);
  if (pauseMs === null) return false;
  await run.openAttempt({
    key: `${key}/reattempt`,
    action: 'payment.reattempt_planned',
    cause: `${outcome.failure?.message ?? 'declined'} Policy: another attempt.`,
    outcome,
    waitMs: pauseMs,
    ...more,
  });
  return true;
}

/** The pause before another attempt, where this failure's rule asks for one; null for none. */
function reattemptAfterMs({ input, status }: PaymentRun, outcome: Outcome): number | null {
  const isOver = input.attemptOrdinal >= input.policy.reattempt.max_attempts;
  const isAwaited = status === 'created' || status === 'processing';
  if (isOver || outcome.kind !== 'declined' || !isAwaited) return null;
  const rule = retryRuleOf(input.policy, {
    code: outcome.failure?.code ?? 'declined',
    providerCode: outcome.providerCode,
    isFinal: outcome.isFinal === true,
  });
  return rule.auto === true ? (rule.after_ms ?? 0) : null;
}

/** A person must look: the money or the reports do not fit. */
async function sendToReview(
  run: PaymentRun,
  { key, eventId, outcome }: Report,
  note: string,
  isMismatch: boolean,
): Promise<void> {
  const isOver = isClosed(run.status);
  await run.sendToReview({
    key,
    cause: note,
    actor: 'provider',
    providerPaymentId: outcome.providerPaymentId,
    reviewReason: isMismatch ? 'amount_mismatch' : 'contradiction',
    webhook: eventId === null ? null : { eventId, status: 'parked', note },
    ...(isOver ? { action: 'payment.callback_refused', event: null } : {}),
  });
}
